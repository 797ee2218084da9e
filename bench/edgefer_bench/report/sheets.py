"""Records as Markdown for a page of one's own, and as CSV for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

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
    sheet = io.StringIO()
    writer = csv.writer(sheet, lineterminator="\n")
    bounds = ("accuracy_interval", "accuracy_drop_ci")
    writer.writerow(
        [
            *FIELDS,
            *(f"{name}_{end}" for name in bounds for end in ("low", "high")),
            "energy_net_mj", "energy_gross_mj", "stable", "faces", "images", "machine",
        ]
    )  # fmt: skip
    for record in records:
        energy = record.get("energy") or {}
        values = [
            *(record.get(name) for name in FIELDS),
            *(bound for name in bounds for bound in (record[name] or (None, None))),
            energy.get("net_mj"),
            energy.get("gross_mj"),
            record["stability"]["stable"],
            record["faces"]["name"],
            record["faces"]["images"],
            record["environment"]["cpu"] or record["environment"]["architecture"],
        ]
        writer.writerow(["" if value is None else value for value in values])
    return sheet.getvalue()
