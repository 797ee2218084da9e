"""`edgefer eval`: accuracy with its interval, per class, pose and occlusion."""

from __future__ import annotations

from typing import Annotated

import typer

from edgefer.cli._common import DataOption, JsonFlag, guarded, print_json, progress_bar


@guarded
def evaluate(
    subject: Annotated[str, typer.Argument(metavar="MODEL|CHECKPOINT|BUNDLE", help="What to evaluate.")],
    data: DataOption = "synthfer:test",
    json: JsonFlag = False,
) -> None:
    """Evaluate a model, checkpoint or bundle on a face set."""
    from edgefer.pipeline.evaluate import evaluate as evaluate_subject

    with progress_bar(quiet=json) as report:
        result = evaluate_subject(subject, data, on_progress=report)
    if json:
        print_json(result)
        return
    from rich.console import Console

    from edgefer_bench.tables import evaluation_tables

    Console().print(*evaluation_tables(result), sep="\n")
