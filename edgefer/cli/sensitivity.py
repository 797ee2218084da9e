"""`edgefer calibrate sensitivity`: which modules INT8 hurts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgefer.cli._common import ClassesOption, JsonFlag, guarded, print_json, print_table, progress_bar, say


@guarded
def sensitivity(
    model: Annotated[
        str, typer.Argument(metavar="MODEL|CHECKPOINT", help="A model's name, or a checkpoint.")
    ],
    variant: Annotated[
        str | None, typer.Option(help="A named switch of the model; see `edgefer models`.")
    ] = None,
    target: Annotated[
        str, typer.Option("--target", "-t", metavar="T", help="Whose engine is quantized.")
    ] = "onnxruntime",
    calibration: Annotated[
        str, typer.Option(metavar="FILE|FOLDER|SET", help="Faces that ranges are read from.")
    ] = "synthfer:train[:700]",
    data: Annotated[
        str, typer.Option(metavar="SET", help="Labelled faces; keep your evaluation set for the end.")
    ] = "synthfer:val",
    classes: ClassesOption = None,
    evaluate: Annotated[
        int, typer.Option(min=0, metavar="N", help="Worst modules whose accuracy drop is measured.")
    ] = 3,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write as well: .png, .svg or .csv.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Rank a network's modules by what quantizing each of them alone costs."""
    from edgefer.data.classes import with_classes
    from edgefer.pipeline.sensitivity import SensitivitySettings, rank_sensitivity

    settings = SensitivitySettings(
        model=model,
        variant=variant,
        target=target,
        calibration=calibration,
        data=with_classes(data, classes),
        evaluated=evaluate,
        output=output,
    )
    with progress_bar(quiet=json) as report:
        found = rank_sensitivity(settings, on_progress=report)
    if json:
        print_json(found, "edgefer.sensitivity/1")
    else:
        from edgefer_bench.sensitivity_report import sensitivity_table

        print_table(sensitivity_table(found))
        say(f"drops on {found['data']}, {found['images']:,} images, with 95 % intervals")
    if output is not None:
        say(f"wrote {output}")
