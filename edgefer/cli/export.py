"""`edgefer export`: from a checkpoint to verified bundles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgefer.cli._common import JsonFlag, guarded, print_json, progress_bar, say


@guarded
def export(
    model: Annotated[
        str, typer.Argument(metavar="MODEL|CHECKPOINT", help="A model's name, or a checkpoint.")
    ],
    variant: Annotated[
        str | None, typer.Option(help="A named switch of the model; see `edgefer models`.")
    ] = None,
    int8: Annotated[bool, typer.Option("--int8", help="Quantize to INT8 as well as exporting FP32.")] = False,
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target",
            "-t",
            metavar="T",
            help="Engine to build for; repeat for more. [default: all installed]",
        ),
    ] = None,
    calibration: Annotated[
        str, typer.Option(metavar="SET", help="Faces the INT8 ranges come from.")
    ] = "synthfer:train[:700]",
    data: Annotated[
        str, typer.Option(metavar="SET", help="Faces the drop is measured on.")
    ] = "synthfer:eval",
    max_drop: Annotated[
        float | None,
        typer.Option(min=0, metavar="POINTS", help="Exit 5 when INT8 costs more accuracy than this."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to. [default: runs/MODEL]")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Export a network: checked ONNX, engines, their accuracy against the float network, a bundle each."""
    from edgefer.pipeline.export import ExportSettings, export_bundles

    settings = ExportSettings(
        model=model,
        variant=variant,
        precisions=("fp32", "int8") if int8 else ("fp32",),
        targets=tuple(target or ()),
        calibration=calibration,
        data=data,
        max_drop=max_drop,
        output=output,
    )
    with progress_bar(quiet=json) as report:
        rows = export_bundles(settings, on_progress=report)
    if json:
        print_json(rows)
        return
    from rich.console import Console

    from edgefer_bench.tables import export_table

    Console().print(export_table(rows))
    say(f"measured on {rows[0]['data']}, {rows[0]['images']:,} images; drops with 95 % intervals")
    if rows[0]["notice"]:
        say(rows[0]["notice"])
