"""`edgefer check`: the checks of an export, measured again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgefer.cli._common import JsonFlag, guarded, print_json, progress_bar


@guarded
def check(
    subject: Annotated[Path, typer.Argument(metavar="ONNX|BUNDLE", help="A bundle, or a float ONNX file.")],
    verify: Annotated[
        Path | None, typer.Option(metavar="PUBKEY", help="Ed25519 key that must have signed the bundle.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Run the checks again: the certificate is not believed, it is redone. Exits 4 when a row fails."""
    from edgefer.pipeline.check import check_subject, to_json
    from edgefer_export.certificate import require

    with progress_bar(quiet=json) as report:
        checks = check_subject(subject, report, verify)
    if json:
        print_json(to_json(subject, checks))
    else:
        from rich.table import Column, Table

        from edgefer.cli.terminal import Console

        table = Table(Column("check", no_wrap=True), "", "measured", "limit", "unit")
        for row in checks:
            verdict = "passed" if row.passed else "[bold red]FAILED[/]"
            table.add_row(row.name, verdict, f"{row.measured:.3g}", f"{row.limit:g}", row.unit)
        Console().print(table)
    require(checks, action=f"do not deploy {subject}: copy it again, or export it again")
