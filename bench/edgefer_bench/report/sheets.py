"""Records as Markdown for a page of one's own, and as CSV for a spreadsheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgefer_bench.rendering import csv_text
from edgefer_bench.report.selection import by_machine, newest
from edgefer_bench.tables import bench_markdown

Record = Mapping[str, Any]

FIELDS = (
    "run", "created", "device", "host", "model", "variant", "target", "precision", "provider", "scenario",
    "threads", "batch", "p50_ms", "p90_ms", "p99_ms", "load_ms", "first_call_ms", "peak_memory_mb", "size_mb",
    "accuracy", "accuracy_drop", "id",
)  # fmt: skip


def render_markdown(records: Sequence[Record], *, title: str = "edgefer bench") -> str:
    """A table a machine and model, newest records only."""
    parts = [f"# {title}\n"]
    for name, members in by_machine(newest(records)).items():
        parts.append(f"## {name}\n\n{bench_markdown(members)}")
    return "\n".join(parts)


def render_csv(records: Sequence[Record]) -> str:
    """A row a record, all of them; intervals in columns of their own, nothing where nothing is known."""
    return csv_text([_row(record) for record in records])


def _row(record: Record) -> dict[str, Any]:
    energy = record.get("energy") or {}
    bounds = {
        f"{name}_{end}": bound
        for name in ("accuracy_interval", "accuracy_drop_ci")
        for end, bound in zip(("low", "high"), record[name] or (None, None), strict=True)
    }
    return {
        **{name: record.get(name) for name in FIELDS},
        **bounds,
        "energy_net_mj": energy.get("net_mj"),
        "energy_gross_mj": energy.get("gross_mj"),
        "stable": record["stability"]["stable"],
        "faces": record["faces"]["name"],
        "images": record["faces"]["images"],
        "machine": record["environment"]["cpu"] or record["environment"]["architecture"],
    }
