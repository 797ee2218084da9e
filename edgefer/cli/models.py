"""`edgefer models`: the zoo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from edgefer.cli._common import JsonFlag, guarded, print_json, print_table


@guarded
def models(
    name: Annotated[str | None, typer.Argument(help="One model, with what its paper claims.")] = None,
    json: JsonFlag = False,
) -> None:
    """List the networks: parameters as we count and as published, multiply-adds, input."""
    from edgefer.pipeline.zoo import describe_models

    described = describe_models(name)
    if json:
        print_json(described)
        return
    told: list[Any] = [_overview(described), _weights(described)]
    if name:
        model = described[0]
        variants = f"variants: {', '.join(model['variants'])} (default: {model['default_variant']})"
        counted = f"published parameters are counted as: {model['published_convention']}"
        told += [f"{model['paper']}\n", f"{variants}\n", f"{counted}\n", _claims(model["published"])]
    print_table(*told)


def _overview(described: Sequence[Mapping[str, Any]]) -> Any:
    from rich.table import Table

    table = Table("model", "parameters", "published", "MACs", "input", "weights", title="edgefer models")
    for column in table.columns[1:4]:
        column.justify = "right"
    for model in described:
        contract = model["input"]
        table.add_row(
            model["name"],
            f"{model['parameters']:,}",
            f"{model['published_parameters']:,}",
            f"{model['macs'] / 1e6:,.1f} M",
            f"{contract['height']} x {contract['width']} {contract['color']}",
            _tags(model),
        )
    return table


def _tags(model: Mapping[str, Any]) -> str:
    return ", ".join(each["name"].partition(".")[2] for each in model["weights"]) or "to train"


def _weights(described: Sequence[Mapping[str, Any]]) -> Any:
    from rich.table import Table

    table = Table("name", "trained on", "accuracy %", "judged on", "MB", title="weights that come along")
    for each in (weights for model in described for weights in model["weights"]):
        low, high = each["interval"]
        accuracy = f"{each['accuracy']:.1f} [{low:.1f}, {high:.1f}]"
        table.add_row(each["name"], each["data"], accuracy, each["test"], f"{each['bytes'] / 1e6:.2f}")
    return table


def _claims(rows: Sequence[Mapping[str, Any]]) -> Any:
    from rich.table import Table

    table = Table("setting", "set", "accuracy %", "as a target", title="what the paper claims")
    for row in rows:
        verdict = f"{row['tag']}: {row['note']}" if row["note"] else row["tag"]
        names, values = zip(*((name, f"{value:.2f}") for name, value in row["percent"].items()), strict=True)
        table.add_row(row["setting"], "\n".join(names), "\n".join(values), verdict)
        table.add_section()
    return table
