"""The whole road on the built-in faces, small enough for a coffee."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgefer.pipeline import Report, ignore
from edgefer.pipeline.bench import BenchSettings, bench_bundles
from edgefer.pipeline.export import ExportSettings, export_bundles
from edgefer.pipeline.faces import draw_contact_sheet
from edgefer.pipeline.requirements import require
from edgefer_bench.devices import profiles
from edgefer_bench.records import Record
from edgefer_runtime.benching import BenchPlan
from edgefer_runtime.files import require_writable

MODEL = "pattlite"
FACES = "synthfer:eval"
SECONDS, WARMUP_SECONDS = 5.0, 15.0


def run_demo(output: Path, say: Callable[[str], None], on_progress: Report = ignore) -> list[Record]:
    """Draw the faces, export the shipped network as FP32 and INT8, and measure both; return the records.

    Exported is for the engines that a CPU runs: those of other targets, if installed, could not be measured.
    """
    require_writable(output, folder=True)
    require("export", "the demo")
    from edgefer_export.targets import installed

    say("edgefer demo: the shipped PAtt-Lite weights, on the built-in face set")
    sheet = output / "faces.png"
    draw_contact_sheet(FACES, sheet, on_progress)
    say(f"1/3  faces rendered; what they look like: {sheet}")
    settings = ExportSettings(
        model=MODEL,
        precisions=("fp32", "int8"),
        targets=tuple(name for name in profiles()["cpu"].targets if name in installed()),
        data=FACES,
        output=output / MODEL,
    )
    rows = export_bundles(settings, on_progress)
    checks = {row["checks"] for row in rows}
    say(f"2/3  exported, {min(checks)} checks or more passed by each engine: {output / MODEL}")
    bundles = tuple(Path(row["path"]) for row in rows)
    plan = BenchPlan(duration_s=SECONDS, max_warmup_s=WARMUP_SECONDS)
    measuring = BenchSettings(bundles=bundles, data=FACES, plan=plan, records=output / "bench")
    records, paths = bench_bundles(measuring, on_progress)
    say(f"3/3  measured side by side, {SECONDS:g} s an engine: {paths[0].parent}")
    return records
