"""`edgefer export`: from a checkpoint to verified bundles."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from edgefer.cli._common import ClassesOption, JsonFlag, guarded, print_json, print_table, progress_bar, say


@guarded
def export(
    model: Annotated[
        str, typer.Argument(metavar="MODEL|CHECKPOINT", help="A model's name, or a checkpoint.")
    ],
    variant: Annotated[
        str | None, typer.Option(help="A named switch of the model; see `edgefer models`.")
    ] = None,
    int8: Annotated[bool, typer.Option("--int8", help="Quantize to INT8 as well as exporting FP32.")] = False,
    qat: Annotated[
        int,
        typer.Option(
            "--qat",
            min=0,
            metavar="EPOCHS",
            help="Train INT8 this long on the calibration faces; needs --int8.",
        ),
    ] = 0,
    fp16: Annotated[bool, typer.Option("--fp16", help="FP16 as well: half the size.")] = False,
    bf16: Annotated[bool, typer.Option("--bf16", help="BF16 as well, where a target has it.")] = False,
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target",
            "-t",
            metavar="T",
            help="Engine to build for; repeat for more, or `all`. [default: all installed]",
        ),
    ] = None,
    calibration: Annotated[
        str,
        typer.Option(metavar="FILE|FOLDER|SET", help="Faces for INT8's ranges; see `edgefer calibrate`."),
    ] = "synthfer:train[:700]",
    data: Annotated[
        str, typer.Option(metavar="SET", help="Faces the drop is measured on.")
    ] = "synthfer:eval",
    classes: ClassesOption = None,
    max_drop: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="POINTS",
            help="Most accuracy that a narrower precision may cost, at 95 %; INT8 gets the float islands it "
            "takes, or exit 5.",
        ),
    ] = None,
    time_budget: Annotated[
        float,
        typer.Option(min=0, metavar="SECONDS", help="Time to look for float islands in, for --max-drop."),
    ] = 300.0,
    validation: Annotated[
        str, typer.Option(metavar="SET", help="Faces that float islands are chosen on.")
    ] = "synthfer:val",
    dynamic_batch: Annotated[
        bool, typer.Option("--dynamic-batch", help="Engines that take any number of faces at once.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to. [default: runs/MODEL]")
    ] = None,
    compute_capability: Annotated[
        str | None,
        typer.Option(metavar="X.Y", help="GPU of a tensorrt-rtx plan. [default: any from Ampere on]"),
    ] = None,
    timing: Annotated[
        bool, typer.Option("--timing/--no-timing", help="Time the engines for a few seconds: which to use.")
    ] = True,
    server: Annotated[
        str | None,
        typer.Option("--format", metavar="triton|ovms", help="An inference server's repository as well."),
    ] = None,
    sign: Annotated[
        Path | None, typer.Option(metavar="KEY", help="Sign the bundles with this Ed25519 private key.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Export a network: checked ONNX, engines, their accuracy against the float network, a bundle each."""
    from edgefer.data.classes import with_classes
    from edgefer.pipeline.export import ExportSettings, export_bundles

    narrower = {"fp16": fp16, "bf16": bf16, "int8": int8}
    settings = ExportSettings(
        model=model,
        variant=variant,
        precisions=("fp32", *(name for name, asked in narrower.items() if asked)),
        batch=None if dynamic_batch else 1,
        targets=tuple(target or ()),
        calibration=calibration,
        data=with_classes(data, classes),
        max_drop=max_drop,
        time_budget_s=time_budget,
        validation=validation,
        output=output,
        compute_capability=compute_capability,
        timing=timing,
        server=server,
        sign=sign,
        ask_passphrase=_ask_passphrase if sys.stdin.isatty() else None,
        qat_epochs=qat,
    )
    with progress_bar(quiet=json) as report:
        rows = export_bundles(settings, on_progress=report)
    if json:
        print_json(rows)
        return
    _tell(rows)


def _tell(rows: list[dict[str, Any]]) -> None:
    """What an export came to, for people: tables on standard output, remarks on standard error."""
    from rich.text import Text

    from edgefer_bench.drop_tables import drop_table, profile_answer
    from edgefer_bench.island_tables import front_table
    from edgefer_bench.tables import export_table

    first = rows[0]
    print_table(export_table(rows))
    for row in rows:
        if row["budget"]:
            print_table(front_table(row["target"], row["budget"]))
    if effect := drop_table(rows):
        print_table(effect)
    for row in rows:
        engine = f"{row['target']} {row['precision']}"
        if "in place of" in row["engine"]:
            say(f"{engine}: accuracy is its ONNX's in {row['engine']}")
        if row["precision"] != "fp32" and (answer := profile_answer(row["drop"])):
            say(f"{engine}: {answer}")
    if verdict := first["verdict"]:
        print_table(Text(verdict["reason"], style="bold"), soft_wrap=True)
        for note in verdict["notes"]:
            say(note)
    if first["page"]:
        say(f"what it did, with plots: {first['page']}")
    if repository := first["repository"]:
        say(f"repository of {len(repository['models'])} models: {repository['folder']}")
        for note in repository["notes"]:
            say(note)
    say(f"measured on {first['data']}, {first['images']:,} images; drops with 95 % intervals")
    if first["notice"]:
        say(first["notice"])


def _ask_passphrase() -> str:
    return str(typer.prompt("passphrase of the key", hide_input=True, err=True))
