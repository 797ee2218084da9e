"""`edgefer pack`: a bundle as a package that pip installs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgefer.cli._common import JsonFlag, guarded, print_json, print_text, say


@guarded
def pack(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A bundle's folder or .edgefer file.")],
    version: Annotated[
        str, typer.Option(metavar="V", help="Version of the package, as PEP 440 writes it.")
    ] = "1.0",
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where the wheel goes.")
    ] = Path("dist"),
    licence: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Text of the weights' licence, to go inside.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Make a wheel of a bundle: a robot's program gets its model with pip and opens it by name."""
    from edgefer.pipeline.pack import pack_bundle

    packed = pack_bundle(bundle, version, output, licence)
    if json:
        print_json(packed.to_json(), "edgefer.wheel/1")
        return
    print_text(packed.path)
    say(f'on the robot: pip install {packed.path.name}, then Classifier.open("{packed.short_name}")')
    if not packed.licence and licence is None:
        say("the bundle names no licence of its weights: --licence FILE puts one in")
