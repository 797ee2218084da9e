"""`edgefer compare`: has an engine become slower, or faster?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgefer.cli._common import JsonFlag, guarded, print_json, print_table, say


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
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write as well: .md or .html.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Compare latencies, faster or slower, with an interval: paired when both were measured in one run."""
    from edgefer.pipeline.compare import compare_places, require_output, share, write_comparison
    from edgefer_bench.comparison import require_not_slower

    if output is not None:
        require_output(output)
    limit = share(fail_if_slower or "0%")
    comparisons = compare_places(before, after, limit=limit, across_machines=across_machines)
    if json:
        found = {"limit_percent": 100 * limit, "comparisons": [each.to_json() for each in comparisons]}
        print_json(found, "edgefer.comparison/1")
    else:
        from edgefer_bench.comparison_table import comparison_table

        print_table(*comparison_table(comparisons))
    if output is not None:
        write_comparison(comparisons, output)
        say(f"wrote {output}")
    if fail_if_slower:
        require_not_slower(comparisons, limit)
