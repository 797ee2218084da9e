"""What a report shows: of each engine on each machine, the newest record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Record = Mapping[str, Any]

_SAME = ("model", "variant", "target", "precision", "batch", "threads")
PRECISIONS = ("fp32", "fp16", "bf16", "int8")


def newest(records: Sequence[Record]) -> list[Record]:
    """The newest record of each engine under the same conditions, oldest run first."""
    kept: dict[tuple[Any, ...], Record] = {}
    for record in records:
        key = (machine(record), *(record[name] for name in _SAME), record["faces"]["name"])
        kept.pop(key, None)
        kept[key] = record
    return list(kept.values())


def by_machine(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Records grouped by the machine they were measured on, models and targets together."""
    groups: dict[str, list[Record]] = {}
    for record in sorted(records, key=_order):
        groups.setdefault(machine(record), []).append(record)
    return groups


def by_model(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Records grouped by model and variant."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(f"{record['model']} {record['variant']}", []).append(record)
    return groups


def machine(record: Record) -> str:
    """What to call the machine: its host if it was reached over one, its board or processor."""
    environment, board = record["environment"], record.get("board") or {}
    what = board.get("model") or environment.get("board") or environment["cpu"] or environment["architecture"]
    cores = f", {environment['cores']} cores" if environment.get("cores") else ""
    return f"{record['host']}: {what}{cores}" if record.get("host") else f"{what}{cores}"


def engine(record: Record) -> str:
    """Target and precision."""
    return f"{record['target']} {record['precision']}"


def pareto(records: Sequence[Record]) -> list[Record]:
    """Those that no other beats in both latency and accuracy, fastest first."""
    front: list[Record] = []
    for record in sorted(records, key=lambda each: (each["p50_ms"], -each["accuracy"])):
        if not front or record["accuracy"] > front[-1]["accuracy"]:
            front.append(record)
    return front


def _order(record: Record) -> tuple[Any, ...]:
    precision = record["precision"]
    place = PRECISIONS.index(precision) if precision in PRECISIONS else len(PRECISIONS)
    return record["model"], record["variant"], record["target"], place
