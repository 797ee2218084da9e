"""Tables for people, from records: rich for the terminal, Markdown for a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgefer_bench.rendering import NOTHING, add_row, interval, number, table, with_interval

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

Cell = tuple[str, str]
"""What a cell says, and its second line: an interval, or a unit."""

_COLUMNS: tuple[Cell, ...] = (
    ("engine", ""),
    ("p50", "ms"),
    ("p90", "ms"),
    ("p99", "ms"),
    ("speed vs", "float"),
    ("speed vs", "ORT fp32"),
    ("size", "MB"),
    ("accuracy", "%"),
    ("drop", "points"),
    ("ID", "%/M"),
)


def bench_table(records: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    """A run's records as one table a model, and the lines that say how to read and how to repeat them.

    Fits a terminal of 80 columns: intervals stand below their numbers.
    """
    from rich.text import Text

    tables: list[RenderableType] = []
    for name, members in _by_model(records).items():
        rows = table(name, map("\n".join, _COLUMNS))
        for record in members:
            add_row(rows, map("\n".join, _cells(record)))
        tables.append(rows)
    return [*tables, *(Text(line, style="dim") for line in footnotes(records))]


def bench_markdown(records: Sequence[Mapping[str, Any]]) -> str:
    """The same as Markdown, intervals in brackets."""

    def line(texts: Iterable[str]) -> str:
        return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"

    lines = []
    for name, members in _by_model(records).items():
        lines += [f"**{name}**", "", line(" ".join(column).strip() for column in _COLUMNS)]
        lines += [line(["---", *["---:"] * (len(_COLUMNS) - 1)])]
        for engine, *numbers in map(_cells, members):
            texts = [f"{first} [{below}]" if below else first for first, below in numbers]
            lines += [line([" ".join(engine), *texts])]
        lines += [""]
    return "\n".join([*lines, *(f"- {note}" for note in footnotes(records))]) + "\n"


def footnotes(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """What must be told with the numbers: the faces, the machine, the conditions, doubts, the command."""
    if not records:
        return ["no engines were measured"]
    first = records[0]
    faces, machine = first["faces"], first["environment"]
    against = " or ".join(dict.fromkeys(filter(None, (record["drop"]["against"] for record in records))))
    calls = [record["latency"]["samples"] for record in records]
    notes = [faces["notice"]] if faces["notice"] else []
    notes.append(
        f"accuracy on {faces['name']}, {faces['images']:,} images; intervals are 95 %: accuracy over images "
        f"(Wilson), drop{against and f' against {against}'} paired image by image (Tango), speed from "
        "interleaved blocks (Hodges-Lehmann)"
    )
    evaluation = first["evaluation"]
    if evaluation["subject_interval"]:
        over_people = with_interval(evaluation["accuracy"], evaluation["subject_interval"], 1)
        notes.append(
            f"for new people, drawing subjects and not images: {first['target']} {first['precision']} "
            f"{over_people} % over {evaluation['subjects']} subjects (bootstrap)"
        )
    notes.append(
        f"{machine['cpu'] or machine['architecture']}; {first['threads']} threads, batch {first['batch']}, "
        f"{first['scenario']}, {min(calls):,} to {max(calls):,} timed calls an engine, none dropped"
    )
    against_itself = [
        bounds for record in records if (bounds := record["stability"]["null_ratio"]["interval"])
    ]
    if against_itself:
        lows, highs = zip(*against_itself, strict=True)
        notes.append(f"each engine against itself (A/A, should hold 1): {interval((min(lows), max(highs)))}")
    for record in records:
        if not record["stability"]["stable"]:
            reasons = "; ".join(record["stability"]["reasons"])
            notes += [f"* not to be quoted, unstable: {record['target']} {record['precision']}: {reasons}"]
    return [*notes, f"again: {first['command']}"]


def export_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The table of what an export wrote: a row a bundle, below the folder they lie in."""
    folders = {str(Path(row["path"]).parent) for row in rows}
    title = f"edgefer export: bundles in {', '.join(sorted(folders))}"
    written = table(title, ("engine", "bundle", "MB", "accuracy %", "drop, points"), left=2)
    for row in rows:
        drop = with_interval(row["accuracy_drop"], row["accuracy_drop_ci"], 2)
        numbers = number(row.get("size_mb")), number(row.get("accuracy"), 1), drop
        add_row(written, (f"{row['target']} {row['precision']}", Path(row["path"]).name, *numbers))
    return written


def _by_model(records: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    models: dict[str, list[Mapping[str, Any]]] = {}
    for record in records:
        where = f" on {record['host']}" if record.get("host") else ""
        models.setdefault(f"{record['model']} {record['variant']}{where}", []).append(record)
    return models


def _cells(record: Mapping[str, Any]) -> list[Cell]:
    """A record's row, in the order of the columns."""
    doubt = "" if record["stability"]["stable"] else " *"
    return [
        (record["target"], record["precision"] + doubt),
        *((number(record[key]), "") for key in ("p50_ms", "p90_ms", "p99_ms")),
        *(_ratio(record["speedup"][key]) for key in ("float", "onnxruntime_fp32")),
        (number(record["size_mb"]), ""),
        (number(record["accuracy"]), interval(record["accuracy_interval"])),
        (number(record["accuracy_drop"], 2), interval(record["accuracy_drop_ci"], 2)),
        (number(record["id"]), ""),
    ]


def _ratio(ratio: Mapping[str, Any] | None) -> Cell:
    return (NOTHING, "") if ratio is None else (number(ratio["value"]), interval(ratio["interval"]))
