"""Where a training stands, for a progress bar."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """Sent after every step and after every validation.

    Attributes:
        stage, stages, epoch, epochs: counted from one; epochs of this stage.
        step, steps: done and planned over all stages.
        loss, accuracy: means over the epoch so far, on augmented faces.
        validation_accuracy: of the last finished epoch; None before that.
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
