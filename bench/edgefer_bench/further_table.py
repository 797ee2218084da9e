"""The second table of a bench: the three times, opening, memory, energy, and other scenarios."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgefer_bench.rendering import NOTHING, add_row, number, table

if TYPE_CHECKING:
    from rich.table import Table

Record = Mapping[str, Any]


def _time(name: str) -> Callable[[Record], str]:
    return lambda record: number((record.get("times") or {}).get(name, {}).get("p50_ms"))


def _scenario(name: str, told: Callable[[Mapping[str, Any]], str]) -> Callable[[Record], str]:
    def cell(record: Record) -> str:
        found = (record.get("scenarios") or {}).get(name)
        return told(found) if found else NOTHING

    return cell


def _late(camera: Mapping[str, Any]) -> str:
    """Frames of the camera that were dropped or answered after their deadline."""
    return f"{100 * (camera['dropped'] + camera['missed']) / camera['arrived']:.1f}"


def _jitter(camera: Mapping[str, Any]) -> str:
    return number(camera.get("jitter", {}).get("p90_ms"))


COLUMNS: Mapping[str, Callable[[Record], str]] = {
    "kernel\nms": _time("kernel"),
    "infer\nms": _time("infer"),
    "pipeline\nms": _time("pipeline"),
    "load\nms": lambda record: number(record["load_ms"]),
    "memory\nMB": lambda record: number(record["peak_memory_mb"]),
    "energy\nmJ": lambda record: number((record.get("energy") or {}).get("net_mj")),
    "8 faces\np90 ms": _scenario("multi-stream", lambda found: number(found["latency"]["p90_ms"])),
    "offline\nfaces/s": _scenario("offline", lambda found: number(found["images_per_s"])),
    "camera\nlate %": _scenario("camera", _late),
    "camera\njitter ms": _scenario("camera", _jitter),
}
"""Heading and cell; a column that nothing was measured for is left out."""


def further_table(records: Sequence[Record]) -> Table:
    """A row an engine."""
    cells = {heading: [cell(record) for record in records] for heading, cell in COLUMNS.items()}
    shown = {heading: column for heading, column in cells.items() if {*column} != {NOTHING}}
    made = table("medians, in one another: kernel, infer, pipeline", ("engine", *shown))
    for place, record in enumerate(records):
        name = f"{record['target']}\n{record['precision']} {record['model']}"
        add_row(made, (name, *(column[place] for column in shown.values())))
    return made
