"""`edgefer demo`: the whole road on the built-in faces, small."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgefer.cli._common import guarded, progress_bar, say


@guarded
def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for everything the demo makes.")
    ] = Path("runs/demo"),
) -> None:
    """Faces, checked export, INT8, bundles, bench: ends with a table of what INT8 made of PAtt-Lite here."""
    from edgefer.cli.terminal import Console
    from edgefer.pipeline.demo import run_demo
    from edgefer_bench.tables import bench_table

    with progress_bar() as report:
        records = run_demo(output, say=say, on_progress=report)
    Console().print(*bench_table(records), sep="\n")
