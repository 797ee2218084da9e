"""One face's probabilities over time: an exponential average that does not depend on the frame rate."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

FIRST_S = 1 / 30
"""A face's first frame counts as if it had been looked at for this long."""


class Belief:
    """What is believed of one face, frame after frame.

    A frame ``t`` seconds old weighs ``exp(-t / time_constant_s)`` times the span since the frame before it,
    so that twice the frames a second say the same. Dividing by the sum of all weights keeps a face's first
    frame from outweighing the next ones. A change of expression is halfway believed after 0.7 time
    constants.

    Args:
        time_constant_s: seconds; with 0 only the newest frame counts.
    """

    def __init__(self, time_constant_s: float) -> None:
        self._time_constant_s = time_constant_s
        self._sum: NDArray[np.float64] | float = 0.0
        self._weight = 0.0
        self._time_s = -math.inf

    def update(self, probabilities: NDArray[np.float32], time_s: float) -> NDArray[np.float32]:
        """Add a frame; what is believed now.

        Args:
            probabilities: float32, K, summing to one.
            time_s: when the frame was taken, in seconds from any moment; not before the last one.

        Returns:
            float32, K, summing to one.
        """
        if not self._time_constant_s:
            return probabilities
        span_s = FIRST_S if math.isinf(self._time_s) else max(0.0, time_s - self._time_s)
        keep = math.exp(-span_s / self._time_constant_s)
        self._sum = keep * self._sum + (1 - keep) * probabilities.astype(np.float64)
        self._weight = keep * self._weight + (1 - keep)
        self._time_s = time_s
        return (self._sum / self._weight).astype(np.float32)
