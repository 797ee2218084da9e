"""`edgefer train`: a network on a face set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgefer.cli._common import guarded, progress_bar, say


@guarded
def train(
    model: Annotated[str, typer.Argument(help="A model's name; see `edgefer models`.")],
    variant: Annotated[str | None, typer.Option(help="A named switch of the model.")] = None,
    data: Annotated[
        str, typer.Option("--data", metavar="SET", help="Face set: synthfer (56 people), synthfer:train-large (300), or a folder.")
    ] = "synthfer",
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs in all, over the recipe's stages.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an interrupted run stopped.")] = False,
    accelerator: Annotated[str, typer.Option(metavar="auto|cpu|cuda", help="Where to compute.")] = "auto",
    seed: Annotated[int, typer.Option(help="Seed of initial weights, order and augmentation.")] = 0,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Run folder. [default: runs/MODEL]")] = None,
) -> None:
    """Train a network; the best checkpoint by validation accuracy is kept."""
    from edgefer.pipeline import TrainSettings, train_model

    settings = TrainSettings(
        model=model,
        variant=variant,
        data=data,
        epochs=epochs,
        resume=resume,
        accelerator=accelerator,
        seed=seed,
        output=output,
    )
    with progress_bar() as report:
        checkpoint, accuracy = train_model(settings, on_progress=report, say=say)
    say(f"best checkpoint: {checkpoint} (validation accuracy {accuracy:.2%})")
