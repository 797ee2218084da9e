"""`edgefer demo`: the whole road on the built-in faces, small."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgefer.cli._common import JsonFlag, guarded, print_json, print_table, progress_bar, say


@guarded
def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for everything the demo makes.")
    ] = Path("runs/demo"),
    json: JsonFlag = False,
) -> None:
    """Faces, checked export, INT8, bundles, bench: ends with a table of what INT8 made of PAtt-Lite here."""
    from edgefer.pipeline.demo import run_demo
    from edgefer_bench.records import without_samples
    from edgefer_bench.tables import bench_table

    with progress_bar(quiet=json) as report:
        records = run_demo(output, say=say, on_progress=report)
    if json:
        found = {"folder": str(output), "records": [without_samples(record) for record in records]}
        print_json(found, "edgefer.demo/1")
    else:
        print_table(*bench_table(records))
