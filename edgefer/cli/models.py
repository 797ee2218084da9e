"""`edgefer models`: the zoo."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from edgefer.cli._common import JsonFlag, guarded, print_json


@guarded
def models(
    name: Annotated[str | None, typer.Argument(help="One model; all of them when left out.")] = None,
    json: JsonFlag = False,
) -> None:
    """List the networks: parameters (ours and as published), multiply-adds, input, accuracies the papers claim."""
    from edgefer.models import MODELS, get

    specs = [get(name)] if name else [get(each) for each in MODELS]
    if json:
        print_json([spec.to_json() for spec in specs])
        return
    _render([spec.to_json() for spec in specs], detailed=name is not None)


def _render(rows: list[dict[str, Any]], *, detailed: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table("model", "variants", "parameters", "published", "multiply-adds", "input", title="edgefer models")
    for column in table.columns[2:5]:
        column.justify = "right"
    for row in rows:
        contract = row["input"]
        table.add_row(
            row["name"],
            ", ".join(row["variants"]),
            f"{row['parameters']:,}",
            f"{row['published_parameters']:,}",
            f"{row['macs'] / 1e6:,.1f} M",
            f"{contract['color']} {contract['height']} x {contract['width']}",
        )
    console.print(table)
    if detailed:
        claims = Table("set", "accuracy %", "variant", "may be compared with?", title="accuracies the paper claims")
        for claim in rows[0]["published_accuracy"]:
            claims.add_row(claim["dataset"], f"{claim['accuracy']:.2f}", claim["variant"], claim["tag"])
        console.print(rows[0]["paper"], claims, sep="\n")
