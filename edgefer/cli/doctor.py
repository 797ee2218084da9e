"""`edgefer doctor`: what this machine can do, and what is wrong with it."""

from __future__ import annotations

from typing import Any

from edgefer.cli._common import JsonFlag, guarded, print_json


@guarded
def doctor(json: JsonFlag = False) -> None:
    """Look at this machine: processor, board, sensors, engines, packages, and what to mend."""
    from edgefer.pipeline.doctor import diagnose

    report = diagnose()
    if json:
        print_json(report)
        return
    from rich.table import Table

    from edgefer.cli.terminal import Console

    console = Console()
    table = Table("", "", title="edgefer doctor", show_header=False)
    # The machine's warnings are among the findings below; the board repeats its architecture.
    facts = {**report["machine"], **report["board"], "device": report["device"]}
    for name in (name for name, value in facts.items() if name != "warnings" and value not in ((), [], None)):
        table.add_row(name.removesuffix("_bytes").replace("_", " "), _shown(name, facts[name]))
    for name, value in report["sensors"].items():
        if value not in ({}, [], None, ""):
            table.add_row(name.replace("_", " "), _shown(name, value))
    console.print(table)
    parts = Table("part", "state", "how to get it", title="what can run here")
    for part in report["parts"]:
        parts.add_row(
            part["name"], "[green]ready[/]" if part["ready"] else "[yellow]missing[/]", part["action"]
        )
    console.print(parts)
    for finding in report["findings"]:
        console.print("•", finding, style="yellow", markup=False)
    if not report["findings"]:
        console.print("nothing to mend")


def _shown(name: str, value: Any) -> str:
    """A probed value for people."""
    if name.endswith("_bytes"):
        return f"{value / 1e9:.1f} GB"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_shown('', each)}" for key, each in value.items())
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
