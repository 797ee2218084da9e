"""A histogram that widens as it goes: one pass, constant memory, and the order of the values is no matter."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

BINS = 4096
"""Bins on either side of zero. At least half of a side is in use: eight bins or more for each level of U8."""


@dataclass
class Histogram:
    """Counts of the non-zero values of one tensor, in bins of equal width on both sides of zero.

    The width is a power of two, the smallest for which every value has a bin. When a larger value comes, bins
    are merged in pairs until it has one, so that the counts are what they would be had all values come at
    once. Zeros are counted apart: a quantized zero is exact, whatever the range.

    Attributes:
        low: smallest value seen; +inf before the first.
        high: largest value seen; -inf before the first.
        zeros: how many values were zero.
        exponent: the bins cover -2**exponent to 2**exponent.
        counts: int64, 2 x :data:`BINS`, from the most negative bin up.
    """

    low: float = math.inf
    high: float = -math.inf
    zeros: int = 0
    exponent: int = -126
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(2 * BINS, np.int64))

    @property
    def width(self) -> float:
        """Width of a bin."""
        return math.ldexp(1.0, self.exponent) / BINS

    @property
    def edges(self) -> NDArray[np.float64]:
        """Edges of the bins, 2 x :data:`BINS` + 1."""
        return np.arange(-BINS, BINS + 1, dtype=np.float64) * self.width

    def add(self, values: NDArray[np.float32], counted: slice = slice(None)) -> None:
        """Take in the values of one run.

        Args:
            values: any shape, finite. The range takes in all of them.
            counted: which of the flattened values are counted.
        """
        if not values.size:
            return
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        if largest := max(-self.low, self.high):
            self._widen(math.frexp(largest)[1])
        sample = values.reshape(-1)[counted]
        nonzero = sample[sample != 0]
        self.zeros += len(sample) - len(nonzero)
        # Dividing by a power of two is exact, so a value's bin does not depend on the processor.
        bins = np.floor(nonzero.astype(np.float64) / self.width).astype(np.int32) + BINS
        self.counts += np.bincount(np.clip(bins, 0, 2 * BINS - 1), minlength=2 * BINS)

    def _widen(self, exponent: int) -> None:
        while self.exponent < exponent:
            if not self.counts.any():
                self.exponent = exponent
                return
            merged = self.counts.reshape(-1, 2).sum(axis=1)
            self.counts = np.pad(merged, BINS // 2)
            self.exponent += 1

    def folded(self) -> NDArray[np.int64]:
        """Counts of the magnitudes, :data:`BINS`, from zero up."""
        return self.counts[BINS:] + self.counts[:BINS][::-1]
