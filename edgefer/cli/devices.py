"""`edgefer devices`: the kinds of machine that edgefer knows."""

from __future__ import annotations

from typing import Annotated

import typer

from edgefer.cli._common import JsonFlag, guarded, print_json


@guarded
def devices(
    name: Annotated[
        str | None, typer.Argument(metavar="[DEVICE]", help="A device or family. [default: all]")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """List device profiles: what each is measured with, and how far it was ever tried."""
    from edgefer.pipeline.devices import describe_devices

    rows = describe_devices(name)
    if json:
        print_json(rows)
        return
    from edgefer.cli.terminal import Console
    from edgefer_bench.rendering import add_row, table

    made = table("devices", ("device", "what", "targets", "precisions"), left=4)
    for row in rows:
        here = " (here)" if row["here"] else ""
        words = (row["title"], ", ".join(row["targets"]), ", ".join(row["precisions"]))
        add_row(made, (row["name"] + here, *words))
    console = Console()
    console.print(made)
    for row in rows if name else []:
        console.print(f"{row['name']}: {row['proven']}", markup=False)
        for line in row["advice"]:
            console.print(f"  before measuring: {line}", markup=False, highlight=False)
