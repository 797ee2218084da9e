"""`edgefer calibrate`: make, look at and check the faces that INT8 ranges are read from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

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
from edgefer.cli.sensitivity import sensitivity
from edgefer_runtime.errors import UsageError

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    help="Calibration sets: make, look at, check and compare them. What INT8 costs, module by module.",
    no_args_is_help=True,
)

SetFile = Annotated[Path, typer.Argument(metavar="FILE", help="A calibration set (.npz).")]
Against = Annotated[
    list[str] | None,
    typer.Option(metavar="SET", help="Evaluation faces that it must share nothing with; repeat for more."),
]


@app.command(short_help="Draw a calibration set and write it")
@guarded
def make(
    model: Annotated[
        str | None,
        typer.Argument(metavar="[MODEL|CHECKPOINT]", help="Whose features --strategy diverse goes by."),
    ] = None,
    data: Annotated[
        str, typer.Option(metavar="SET|FOLDER", help="Training faces, or a folder of your own pictures.")
    ] = "synthfer:train",
    classes: ClassesOption = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            metavar="S", help="random, class, pose, diverse or folder. [default: what suits the data]"
        ),
    ] = None,
    count: Annotated[int, typer.Option(min=100, max=1000, metavar="N", help="Images.")] = 300,
    seed: Annotated[int, typer.Option(min=0, metavar="K", help="Which draw.")] = 0,
    against: Against = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write: .npz.")] = Path(
        "calibration.npz"
    ),
    json: JsonFlag = False,
) -> None:
    """Draw a calibration set, refuse it if it holds evaluation faces, and write it to a file."""
    from edgefer.data.classes import with_classes
    from edgefer.pipeline.calibrate import Draw
    from edgefer.pipeline.calibration_files import describe, make_calibration

    draw = Draw(with_classes(data, classes), strategy, count, seed, model)
    with progress_bar(quiet=json) as report:
        calibration = make_calibration(draw, against or (), output, report)
    _print(describe(calibration), json)
    say(f"wrote {output}")


@app.command(short_help="Draw a contact sheet")
@guarded
def show(
    file: SetFile,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Picture to write: .png, .jpg or .webp.")
    ] = Path("sheet.png"),
    json: JsonFlag = False,
) -> None:
    """Draw a contact sheet: a row a class, a block a yaw, each with its count."""
    from edgefer.pipeline.calibration_files import describe, show_calibration

    _print(describe(show_calibration(file, output)), json)
    say(f"wrote {output}")


@app.command(short_help="Validate a set, hold it against faces")
@guarded
def check(file: SetFile, against: Against = None, json: JsonFlag = False) -> None:
    """Validate a calibration set and hold it against evaluation faces. Exits 3 when it is unfit."""
    from edgefer.pipeline.calibration_files import check_calibration, describe

    with progress_bar(quiet=json) as report:
        calibration = check_calibration(file, against or (), report)
    _print({**describe(calibration), "against": against or []}, json)


@app.command(short_help="Measure what size, strategy and luck matter")
@guarded
def study(
    model: Annotated[str, typer.Argument(metavar="MODEL|CHECKPOINT", help="The network to quantize.")],
    counts: Annotated[str, typer.Option(metavar="N,...", help="Images in a set.")] = "100,300,1000",
    strategies: Annotated[
        str, typer.Option(metavar="S,...", help="How they are chosen; see `edgefer calibrate make`.")
    ] = "random,class,pose,diverse",
    seeds: Annotated[int, typer.Option(min=1, metavar="K", help="Draws of each.")] = 3,
    target: Annotated[str, typer.Option("--target", "-t", metavar="T", help="Engine.")] = "onnxruntime",
    calibration: Annotated[
        str, typer.Option(metavar="SET", help="Training faces to draw from.")
    ] = "synthfer:train",
    data: Annotated[
        str, typer.Option(metavar="SET", help="Faces the drop is measured on.")
    ] = "synthfer:eval",
    classes: ClassesOption = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File to write: .html, .png or .csv.")
    ] = Path("study.html"),
    json: JsonFlag = False,
) -> None:
    """Measure what size, strategy and luck of the draw matter. Goes on where it was interrupted."""
    from edgefer.data.classes import with_classes
    from edgefer.pipeline.calibration_study import StudySettings, study_calibration

    settings = StudySettings(
        model=model,
        counts=tuple(map(_positive, counts.split(","))),
        strategies=tuple(strategies.split(",")),
        seeds=seeds,
        target=target,
        calibration=calibration,
        data=with_classes(data, classes),
        output=output,
    )
    with progress_bar(quiet=json) as report:
        result = study_calibration(settings, report)
    if json:
        print_json(result)
    else:
        from edgefer_bench.calibration_study import study_table

        print_table(study_table(result), emoji=False)
    say(f"wrote {output}; what was measured is kept in {output.with_suffix('.json')}")


app.command(short_help="Rank modules by what INT8 costs each")(sensitivity)


def _positive(number: str) -> int:
    if not number.strip().isdecimal() or int(number) == 0:
        raise UsageError(f"--counts with {number!r}", expected="numbers with commas between, such as 100,300")
    return int(number)


def _print(described: dict[str, Any], json: bool) -> None:
    if json:
        print_json(described, "edgefer.calibration-set/1")
        return
    count, height, width, _ = described["shape"]
    strategy = described["strategy"] or "put together by hand"
    lines = [
        f"{described['name']}: {count:,} images, {width} x {height} pixels",
        f"strategy  {strategy}, seed {described['seed']}",
    ]
    lines += [
        f"{what:8}  " + ", ".join(f"{name} {n}" for name, n in described[what].items())
        for what in ("classes", "yaws")
        if described[what]
    ]
    lines.append(f"sha256    {described['sha256']}")
    if described.get("against"):
        lines.append(f"shares nothing with {', '.join(described['against'])}")
    print_text("\n".join(lines))
