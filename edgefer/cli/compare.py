"""`edgefer compare`: has an engine become slower?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgefer.cli._common import JsonFlag, guarded, print_json


@guarded
def compare(
    before: Annotated[Path, typer.Argument(metavar="BEFORE", help="A record, or a folder of records.")],
    after: Annotated[Path, typer.Argument(metavar="AFTER", help="Another.")],
    fail_if_slower: Annotated[
        str | None,
        typer.Option("--fail-if-slower", metavar="PERCENT", help="Exit 4 if the interval lies beyond 3%."),
    ] = None,
    across_machines: Annotated[
        bool, typer.Option("--across-machines", help="Allow records of two machines.")
    ] = False,
    json: JsonFlag = False,
) -> None:
    """Compare latencies with an interval: paired when both were measured in one run."""
    from edgefer.pipeline.compare import compare_places, share
    from edgefer_bench.comparison import require_not_slower

    limit = share(fail_if_slower or "0%")
    comparisons = compare_places(before, after, limit=limit, across_machines=across_machines)
    if json:
        print_json([each.to_json() for each in comparisons])
    else:
        from edgefer.cli.terminal import Console
        from edgefer_bench.comparison_table import comparison_table

        Console().print(*comparison_table(comparisons), sep="\n")
    if fail_if_slower:
        require_not_slower(comparisons, limit)
