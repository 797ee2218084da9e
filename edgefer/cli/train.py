"""`edgefer train`: a network on a face set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from edgefer.cli._common import Accelerator, ClassesOption, JsonFlag, guarded, print_json, progress_bar, say
from edgefer.cli._training import training_progress
from edgefer_runtime.errors import UsageError

if TYPE_CHECKING:
    from edgefer.pipeline.planning import TrainSettings


@guarded
def train(
    model: Annotated[str, typer.Argument(help="A model's name; see `edgefer models`.")],
    variant: Annotated[str | None, typer.Option(help="A named switch of the model.")] = None,
    data: Annotated[
        str,
        typer.Option(
            metavar="SET",
            help="synthfer (56 people), synthfer:train-large (300), a folder, or NAME:PATH; "
            "see `edgefer datasets`.",
        ),
    ] = "synthfer",
    classes: ClassesOption = None,
    validation: Annotated[
        str | None,
        typer.Option(metavar="SET", help="Faces that choose the best epoch. [default: the set's own]"),
    ] = None,
    recipe: Annotated[
        str,
        typer.Option(metavar="RECIPE", help="synthfer (from scratch), paper, or FILE.toml[:NAME]."),
    ] = "synthfer",
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs in all. [default: the recipe's]")] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=2, metavar="N", help="Faces a step. [default: the recipe's]")
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(min=2, help="Cross-validate: so many trainings, each tested on people it never saw."),
    ] = None,
    image_folds: Annotated[
        bool,
        typer.Option("--image-folds", help="Folds of pictures: people may be on both sides, which flatters."),
    ] = False,
    random_split: Annotated[
        bool,
        typer.Option("--random-split", help="Deal all pictures 80/10/10 in place of the official splits."),
    ] = False,
    drop_duplicates: Annotated[
        bool,
        typer.Option("--drop-duplicates", help="Leave copies of validation and test faces out of training."),
    ] = False,
    partial: Annotated[
        bool,
        typer.Option("--partial", help="Train on a published set though not all of its faces are there."),
    ] = False,
    pretrained: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Weights of the backbone to start from: torchvision .pth, timm .safetensors, Keras .h5.",
        ),
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(metavar="CHECKPOINT", help="A bigger trained network to learn from beside the labels."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an interrupted run stopped.")] = False,
    accelerator: Annotated[Accelerator, typer.Option(help="Where to compute.")] = Accelerator.auto,
    devices: Annotated[int, typer.Option(min=1, help="Processes a node; they share each batch.")] = 1,
    nodes: Annotated[int, typer.Option(min=1, help="Machines that run this same command.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of initial weights, order and augmentation.")] = 0,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write TensorBoard's events beside log.csv.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Run folder. [default: runs/MODEL/train-VARIANT, or -2, ...]"),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Train a network; the best checkpoint by validation accuracy is kept."""
    from edgefer.data.classes import with_classes
    from edgefer.pipeline.planning import TrainSettings

    settings = TrainSettings(
        model=model,
        variant=variant,
        data=with_classes(data, classes),
        validation=validation,
        random_split=random_split,
        drop_duplicates=drop_duplicates,
        partial=partial,
        recipe=recipe,
        epochs=epochs,
        batch_size=batch_size,
        pretrained=pretrained,
        teacher=teacher,
        resume=resume,
        accelerator=accelerator.value,
        devices=devices,
        nodes=nodes,
        seed=seed,
        tensorboard=tensorboard,
        output=output,
    )
    if image_folds and not folds:
        raise UsageError("--image-folds without --folds", expected="--folds K --image-folds")
    if folds:
        _cross_validate(settings, folds, "image" if image_folds else "subject", json)
    else:
        _train_once(settings, json)


def _train_once(settings: TrainSettings, json: bool) -> None:
    from edgefer.pipeline.train import train_model

    with progress_bar(quiet=json) as report, training_progress() as (stage, step):
        trained = train_model(settings, on_progress=report, on_stage=stage, on_step=step, on_note=say)
    if json:
        result = {
            "checkpoint": str(trained.checkpoint),
            "validation_accuracy": 100 * trained.validation_accuracy,
            "test": trained.test,
        }
        print_json(result, "edgefer.training/1")
        return
    validated = f"validation accuracy {100 * trained.validation_accuracy:.1f} %"
    say(f"best checkpoint: {trained.checkpoint} ({validated})")
    if trained.test:
        low, high = trained.test["interval"]
        interval = f"{trained.test['accuracy']:.1f} % (95 %: {low:.1f} to {high:.1f})"
        say(f"test accuracy {interval} on {trained.test['data']}")


def _cross_validate(
    settings: TrainSettings, folds: int, apart: Literal["subject", "image"], json: bool
) -> None:
    from edgefer.pipeline.folds import cross_validate

    with progress_bar(quiet=json) as report, training_progress() as (stage, step):
        path, result = cross_validate(
            settings, folds, apart=apart, on_progress=report, on_stage=stage, on_step=step, on_note=say
        )
    if json:
        print_json({**result, "path": str(path)})
        return
    accuracy = f"accuracy {result['mean']:.1f} %, standard deviation {result['std']:.1f}"
    say(f"{result['protocol']}: {accuracy}; {path}")
