"""`edgefer datasets`: what face sets there are, and how they look."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgefer.cli._common import JsonFlag, guarded, print_json, progress_bar, say
from edgefer_runtime.errors import DataError

if TYPE_CHECKING:
    from edgefer.data.check import Findings

SIZES_SHOWN = 3

app = typer.Typer(help="List the face sets, and look at them.", invoke_without_command=True)


@app.callback()
@guarded
def datasets(context: typer.Context, json: JsonFlag = False) -> None:
    """List the face sets: splits, images, licence. Those with PATH are read from a folder that you have."""
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
            entry.address(split) + (f"  {images:,} faces" if images else "")
            for split, images in entry.splits.items()
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


@app.command()
@guarded
def check(
    name: Annotated[
        str, typer.Argument(help="A folder or csv file, or NAME:PATH, or NAME:PATH@SPLIT.", metavar="PATH")
    ],
    json: JsonFlag = False,
) -> None:
    """Say what a folder holds and what is wrong with it. Exit code 3 if it cannot be loaded so."""
    from edgefer.pipeline.faces import check_faces

    with progress_bar(quiet=json) as report:
        findings = check_faces(name, report)
    if json:
        print_json(findings.to_json())
    else:
        _print(findings)
    if findings.refused:
        raise typer.Exit(DataError.exit_code)


def _print(findings: Findings) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.print(f"{findings.path}: {findings.name} ({findings.layout}), {findings.faces:,} faces")
    table = Table("class", *findings.per_split, box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    for label in dict.fromkeys(label for counts in findings.per_split.values() for label in counts):
        table.add_row(label, *(f"{counts[label]:,}" for counts in findings.per_split.values()))
    console.print(table)
    sizes = ", ".join(f"{size} ({count:,})" for size, count in [*findings.sizes.items()][:SIZES_SHOWN])
    more = len(findings.sizes) - SIZES_SHOWN
    console.print("sizes       " + sizes + (f" and {more:,} more" if more > 0 else ""))
    if findings.subjects:
        console.print(f"subjects    {findings.subjects:,}")
    if findings.attributes:
        console.print(f"attributes  {', '.join(findings.attributes)}")
    for what, count in findings.left_out.items():
        console.print(f"left out    {count:,} {what}")
    for problem in findings.problems:
        console.print(f"{'WRONG' if problem.refused else 'note':5}  {problem.count:,} {problem.what}")
        for example in problem.examples:
            console.print(f"         {example}")
        if problem.action:
            console.print(f"         to do: {problem.action}")
    console.print("it cannot be loaded so" if findings.refused else "it can be loaded")
