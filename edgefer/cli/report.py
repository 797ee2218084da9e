"""`edgefer report`: records as one page, Markdown or CSV."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgefer.cli._common import JsonFlag, guarded, print_json, say


@guarded
def report(
    records: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[RECORDS ...]", help="Records, or folders of them. [default: runs/bench]"),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="What to write: .html, .md or .csv.")] = Path(
        "runs/report.html"
    ),
    json: JsonFlag = False,
) -> None:
    """Draw records: tables and pictures per device, in one file that needs no network."""
    from edgefer.pipeline.report import write_report

    count = write_report(records or [Path("runs/bench")], output)
    if json:
        print_json({"path": str(output), "records": count}, "edgefer.report/1")
    else:
        say(f"{count} records: {output}")
