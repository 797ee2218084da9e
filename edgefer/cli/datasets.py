"""`edgefer datasets`: what face sets there are, and how they look."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from edgefer.cli._common import JsonFlag, guarded, print_json, progress_bar, say

app = typer.Typer(help="List the face sets, and look at them.", invoke_without_command=True)


@app.callback()
@guarded
def datasets(context: typer.Context, json: JsonFlag = False) -> None:
    """List the face sets: splits, images, licence."""
    if context.invoked_subcommand is not None:
        return
    from edgefer.data import DATASETS

    if json:
        print_json([asdict(entry) for entry in DATASETS.values()])
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("set", "what it is", "licence", title="edgefer datasets", title_justify="left")
    for entry in DATASETS.values():
        splits = "\n".join(
            f"{entry.name}:{split}  {images:,} faces" for split, images in entry.splits.items()
        )
        table.add_row(
            entry.name, "\n".join(filter(None, (entry.description, splits, entry.notice))), entry.licence
        )
        table.add_section()
    Console().print(table)


@app.command()
@guarded
def show(
    name: Annotated[str, typer.Argument(help="Face set, e.g. synthfer, synthfer:test, or a folder.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Picture to write: .png, .jpg or .webp.")
    ] = Path("sheet.png"),
) -> None:
    """Draw a contact sheet: a row an expression."""
    from edgefer.pipeline.faces import draw_contact_sheet

    with progress_bar() as report:
        draw_contact_sheet(name, output, on_progress=report)
    say(f"wrote {output}")
