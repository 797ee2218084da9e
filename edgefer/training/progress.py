"""Where a training stands, for a progress bar."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class StageStart:
    """Sent when a stage begins or is gone on with.

    Attributes:
        stage, stages, epoch, epochs: as in :class:`Progress`; ``epoch`` is the next one.
        size: side of the input in pixels.
        batch_size, steps: faces of a step, and steps of an epoch.
        faces, held_out: faces that the stage trains on, and that choose the best epoch.
        device, precision, threads, processes: where and how it computes.
    """

    stage: int
    stages: int
    epoch: int
    epochs: int
    size: int
    batch_size: int
    steps: int
    faces: int
    held_out: int
    device: str
    precision: str
    threads: int
    processes: int


@dataclass(frozen=True)
class Progress:
    """Sent after every step and after every validation.

    Attributes:
        stage, stages, epoch, epochs: counted from one; epochs of this stage.
        step, steps: done and planned over all stages.
        loss, accuracy: means over the epoch so far, on augmented faces.
        validation_accuracy: of the last finished epoch; None before that.
        finished_epochs: over all stages.
        eta_s: seconds that the remaining steps will take at the pace so far; NaN before the first step.
    """

    stage: int
    stages: int
    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    accuracy: float
    validation_accuracy: float | None
    eta_s: float
    finished_epochs: int = 0


class Pace:
    """Time a unit of work has taken so far; work is counted in pixels, since stages differ in size."""

    def __init__(self) -> None:
        self.time_s, self.pixels = 0.0, 0

    def add(self, time_s: float, pixels: int) -> None:
        """Record a step."""
        self.time_s += time_s
        self.pixels += pixels

    def eta_s(self, pixels: int) -> float:
        """Seconds for that much more work."""
        return self.time_s / self.pixels * pixels if self.pixels else math.nan
