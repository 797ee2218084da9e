"""`edgefer datasets`: what face sets there are, how they look, and crops made of raw photos."""

from __future__ import annotations

import io
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgefer.cli._common import (
    ClassesOption,
    JsonFlag,
    guarded,
    print_json,
    print_table,
    print_text,
    progress_bar,
    say,
)
from edgefer_runtime.errors import DataError

if TYPE_CHECKING:
    from edgefer.data.check import Findings

SIZES_SHOWN = 3
LEFT_OUT_SHOWN = 5

app = typer.Typer(
    rich_markup_mode=None,
    help="List the face sets, look at them, make them of photos.",
    invoke_without_command=True,
)


@app.callback()
@guarded
def datasets(context: typer.Context, json: JsonFlag = False) -> None:
    """List the face sets: splits, images, licence. Those with PATH are read from a folder that you have."""
    if context.invoked_subcommand is not None:
        return
    from edgefer.data import DATASETS

    if json:
        # What words mean is of a user's own set, and in no entry of the catalogue.
        rows = [asdict(entry) for entry in DATASETS.values()]
        print_json([{key: value for key, value in row.items() if key != "named"} for row in rows])
        return
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
    print_table(table)


@app.command()
@guarded
def show(
    name: Annotated[str, typer.Argument(help="Face set, e.g. synthfer, synthfer:test, or a folder.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Picture to write: .png, .jpg or .webp.")
    ] = Path("sheet.png"),
    json: JsonFlag = False,
    classes: ClassesOption = None,
) -> None:
    """Draw a contact sheet: a row an expression."""
    from edgefer.data.classes import with_classes
    from edgefer.pipeline.faces import draw_contact_sheet

    with progress_bar(quiet=json) as report:
        draw_contact_sheet(with_classes(name, classes), output, on_progress=report)
    if json:
        print_json({"path": str(output)}, "edgefer.sheet/1")
    else:
        say(f"wrote {output}")


@app.command()
@guarded
def check(
    name: Annotated[
        str, typer.Argument(help="A folder or csv file, or NAME:PATH, or NAME:PATH@SPLIT.", metavar="PATH")
    ],
    classes: ClassesOption = None,
    json: JsonFlag = False,
) -> None:
    """Say what a folder holds and what is wrong with it. Exit code 3 if it cannot be loaded so."""
    from edgefer.data.classes import with_classes
    from edgefer.pipeline.faces import check_faces

    with progress_bar(quiet=json) as report:
        findings = check_faces(with_classes(name, classes), report)
    if json:
        print_json(findings.to_json(), "edgefer.face-set/1")
    else:
        _print(findings)
    if findings.refused:
        raise typer.Exit(DataError.exit_code)


@app.command()
@guarded
def prepare(
    raw: Annotated[
        str,
        typer.Argument(help="Folder or csv file of photos, or NAME:PATH, or NAME:PATH@SPLIT.", metavar="RAW"),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write; it must not exist.")],
    model: Annotated[str, typer.Option(help="Model whose crops to make.")] = "pattlite",
    detector: Annotated[
        str, typer.Option(help="BlazeFace's network: full-range, back or short-range.")
    ] = "full-range",
    min_score: Annotated[float, typer.Option(help="Faces the detector is less sure of are not seen.")] = 0.5,
    classes: ClassesOption = None,
    json: JsonFlag = False,
) -> None:
    """Crop the faces of raw photos as the robot will. Of several in a picture, the largest is taken."""
    from edgefer.data.classes import with_classes
    from edgefer.pipeline.prepare import PrepareSettings, prepare

    settings = PrepareSettings(with_classes(raw, classes), output, model, detector, min_score)
    with progress_bar(quiet=json) as report:
        record = prepare(settings, report)
    if json:
        print_json(record)
        return
    several = [face for face in record["faces"] if face["faces"] > 1]
    say(f"wrote {output}: {len(record['faces']):,} crops, listed in faces.csv")
    if several:
        say(f"several faces in {len(several):,} of the pictures: the largest was taken")
    for left in record["left_out"][:LEFT_OUT_SHOWN]:
        say(f"left out {left['original']}: {left['reason']}")
    if (more := len(record["left_out"]) - LEFT_OUT_SHOWN) > 0:
        say(f"left out {more:,} more, all named in {output / 'prepared.json'}")


def _print(findings: Findings) -> None:
    from rich.table import Table

    from edgefer.cli.terminal import Console

    text = io.StringIO()
    console = Console(file=text, highlight=False, markup=False, soft_wrap=True)
    console.print(f"{findings.path}: {findings.name} ({findings.layout}), {findings.faces:,} faces")
    table = Table("class", *findings.per_split, box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    for label in dict.fromkeys(label for counts in findings.per_split.values() for label in counts):
        table.add_row(label, *(f"{counts[label]:,}" for counts in findings.per_split.values()))
    console.print(table)
    if findings.names:
        console.print("taken as    " + ", ".join(f"{word} = {name}" for word, name in findings.names.items()))
    if findings.own_classes:
        console.print(f"no expressions, classes of their own: {', '.join(findings.own_classes)}")
    sizes = ", ".join(f"{size} ({count:,})" for size, count in [*findings.sizes.items()][:SIZES_SHOWN])
    more = len(findings.sizes) - SIZES_SHOWN
    console.print("sizes       " + sizes + (f" and {more:,} more" if more > 0 else ""))
    if findings.subjects:
        console.print(f"subjects    {findings.subjects:,}")
    if findings.attributes:
        console.print(f"attributes  {', '.join(findings.attributes)}")
    for what, count in findings.left_out.items():
        console.print(f"left out    {count:,} {what}")
    for missing in findings.missing:
        console.print(f"note   {missing}: train takes it with --partial only")
    if findings.untrained:
        console.print(f"note   no face to train on of {', '.join(findings.untrained)}: train refuses it so")
    for problem in findings.problems:
        console.print(f"{'WRONG' if problem.refused else 'note':5}  {problem.count:,} {problem.what}")
        for example in problem.examples:
            console.print(f"         {example}")
        if problem.action:
            console.print(f"         to do: {problem.action}")
    console.print("it cannot be loaded so" if findings.refused else "it can be loaded")
    print_text(text.getvalue(), newline=False)
