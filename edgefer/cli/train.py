"""`edgefer train`: a network on a face set."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgefer.cli._common import guarded, progress_bar, say

if TYPE_CHECKING:
    from edgefer.training.progress import Progress as Standing


class Accelerator(str, Enum):
    """Where to compute."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


@guarded
def train(
    model: Annotated[str, typer.Argument(help="A model's name; see `edgefer models`.")],
    variant: Annotated[str | None, typer.Option(help="A named switch of the model.")] = None,
    data: Annotated[
        str,
        typer.Option(metavar="SET", help="synthfer (56 people), synthfer:train-large (300), or a folder."),
    ] = "synthfer",
    validation: Annotated[
        str | None,
        typer.Option(metavar="SET", help="Faces that choose the best epoch. [default: the set's own]"),
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs in all. [default: the recipe's]")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an interrupted run stopped.")] = False,
    accelerator: Annotated[Accelerator, typer.Option(help="Where to compute.")] = Accelerator.auto,
    seed: Annotated[int, typer.Option(help="Seed of initial weights, order and augmentation.")] = 0,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Run folder. [default: runs/MODEL]")
    ] = None,
) -> None:
    """Train a network; the best checkpoint by validation accuracy is kept."""
    from edgefer.pipeline.train import TrainSettings, train_model

    settings = TrainSettings(
        model=model,
        variant=variant,
        data=data,
        validation=validation,
        epochs=epochs,
        resume=resume,
        accelerator=accelerator.value,
        seed=seed,
        output=output,
    )
    with progress_bar() as report, _training_bar() as step:
        checkpoint, accuracy = train_model(settings, on_progress=report, on_step=step)
    say(f"best checkpoint: {checkpoint} (validation accuracy {100 * accuracy:.1f} %)")


@contextmanager
def _training_bar() -> Iterator[Callable[[Standing], None]]:
    """A bar with loss, accuracy and remaining time, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda progress: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[figures]}"))
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task("training", total=None, figures="", visible=False)

        def step(progress: Standing) -> None:
            figures = f"loss {progress.loss:.3f}  accuracy {100 * progress.accuracy:.1f} %"
            if progress.validation_accuracy is not None:
                figures += f"  validation {100 * progress.validation_accuracy:.1f} %"
            if progress.eta_s == progress.eta_s:
                figures += f"  {progress.eta_s / 60:.0f} min left"
            bars.update(
                task,
                description=f"stage {progress.stage}/{progress.stages} "
                f"epoch {progress.epoch}/{progress.epochs}",
                completed=progress.step,
                total=progress.steps,
                figures=figures,
                visible=True,
            )

        yield step
