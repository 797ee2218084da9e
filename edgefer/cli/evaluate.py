"""`edgefer eval`: accuracy with its interval, per class, pose and occlusion, and what explains it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgefer.cli._common import (
    Accelerator,
    ClassesOption,
    DataOption,
    JsonFlag,
    guarded,
    print_json,
    print_table,
    progress_bar,
    say,
)


@guarded
def evaluate(
    subject: Annotated[str, typer.Argument(metavar="MODEL|CHECKPOINT|BUNDLE", help="What to evaluate.")],
    data: DataOption = "synthfer:test",
    classes: ClassesOption = None,
    shared_classes: Annotated[
        bool, typer.Option("--shared-classes", help="Where classes differ, evaluate on those both have.")
    ] = False,
    confusion: Annotated[
        Path | None, typer.Option(metavar="PICTURE", help="Draw the confusion matrix.")
    ] = None,
    cam: Annotated[
        Path | None, typer.Option(metavar="PICTURE", help="Draw faces with their Grad-CAM heat maps.")
    ] = None,
    embedding: Annotated[
        Path | None, typer.Option(metavar="PICTURE", help="Draw a t-SNE map of the features.")
    ] = None,
    check_order: Annotated[
        bool, typer.Option("--check-order", help="Check on all faces that their order does not matter.")
    ] = False,
    accelerator: Annotated[Accelerator, typer.Option(help="Where a network computes.")] = Accelerator.auto,
    batch_size: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Faces a network computes at once.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Evaluate a model, checkpoint or bundle on a face set."""
    from edgefer.data.classes import with_classes
    from edgefer.pipeline.evaluate import EvaluationSettings
    from edgefer.pipeline.evaluate import evaluate as evaluate_subject
    from edgefer.pipeline.explain import Pictures

    settings = EvaluationSettings(
        subject=subject,
        data=with_classes(data, classes),
        shared_classes=shared_classes,
        check_order=check_order,
        accelerator=accelerator.value,
        batch_size=batch_size,
        pictures=Pictures(confusion, cam, embedding),
    )
    with progress_bar(quiet=json) as report:
        result = evaluate_subject(settings, on_progress=report)
    for seen in result["seen"]:
        say(f"warning: {seen['text']}: what they show says nothing about new faces")
    if json:
        print_json(result, "edgefer.evaluation/1")
        return
    from edgefer_bench.evaluation_tables import evaluation_tables

    print_table(*evaluation_tables(result))
    for picture in filter(None, (confusion, cam, embedding)):
        say(f"wrote {picture}")
