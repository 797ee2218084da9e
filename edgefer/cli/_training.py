"""How far a training is: a bar on a terminal, elsewhere a line a stage and an epoch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from edgefer.cli._common import say

if TYPE_CHECKING:
    from edgefer.training.progress import Progress as Standing
    from edgefer.training.progress import StageStart

OnStage = Callable[["StageStart"], None]
OnStep = Callable[["Standing"], None]


@contextmanager
def training_progress() -> Iterator[tuple[OnStage, OnStep]]:
    """Give two functions, called when a stage begins and after every step, that tell it on standard error."""
    if sys.stderr.isatty():
        with _bar() as on_step:
            yield _tell_stage, on_step
    else:
        yield _tell_stage, EpochLines(say)


class EpochLines:
    """Prints a line at the end of every epoch.

    Args:
        write: takes a line.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._finished: int | None = None

    def __call__(self, progress: Standing) -> None:
        """Take a step."""
        if self._finished is not None and progress.finished_epochs == self._finished + 1:
            self._write(f"{place(progress)}: {figures(progress)}")
        # Of a training that is gone on with, and of the next fold, the epochs before are known already.
        self._finished = progress.finished_epochs


def stage_line(stage: StageStart) -> str:
    """What a stage does, where, and with how many faces."""
    where = f"{stage.device} ({stage.precision}, {stage.threads} thread{'s' * (stage.threads != 1)}"
    where += f", {stage.processes} processes)" if stage.processes > 1 else ")"
    epochs = f"{stage.epochs} epoch{'s' * (stage.epochs != 1)} of {stage.steps:,} steps"
    begun = f", from epoch {stage.epoch} on" if stage.epoch > 1 else ""
    return (
        f"stage {stage.stage}/{stage.stages}: {stage.size} x {stage.size} pixels, {epochs}{begun}, "
        f"batches of {stage.batch_size}, {stage.faces:,} faces, {stage.held_out:,} held out, on {where}"
    )


def place(progress: Standing) -> str:
    """Stage and epoch."""
    return f"stage {progress.stage}/{progress.stages} epoch {progress.epoch}/{progress.epochs}"


def figures(progress: Standing) -> str:
    """Loss, accuracies and the time that is left."""
    parts = [f"loss {progress.loss:.3f}", f"accuracy {100 * progress.accuracy:.1f} %"]
    if progress.validation_accuracy is not None:
        parts.append(f"validation {100 * progress.validation_accuracy:.1f} %")
    if progress.eta_s == progress.eta_s:
        seconds = progress.eta_s
        parts.append(f"{seconds:.0f} s left" if seconds < 90 else f"{seconds / 60:.0f} min left")
    return "  ".join(parts)


def _tell_stage(stage: StageStart) -> None:
    if stage.epoch <= stage.epochs:  # One that has ended is begun when its training is gone on with.
        say(stage_line(stage))


@contextmanager
def _bar() -> Iterator[OnStep]:
    """A bar with loss, accuracy and remaining time."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[figures]}"))
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task("training", total=None, figures="", visible=False)

        def step(progress: Standing) -> None:
            bars.update(
                task,
                description=place(progress),
                completed=progress.step,
                total=progress.steps,
                figures=figures(progress),
                visible=True,
            )

        yield step
