"""Methods: from what was seen of a tensor to the range that INT8 covers.

A wide range rounds every value coarsely; a narrow one cuts the few largest off. Each method weighs the two in
its own way. All are functions ``(histogram, symmetric) -> (low, high)`` with low <= 0 <= high, and never
outside of what was seen; ``symmetric`` says that the integers will be signed and the range -a to a, so that
the two ends are weighed as one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgefer_calibration.ranges.histogram import BINS, Histogram

Limits: TypeAlias = tuple[float, float]
"""The smallest and the largest value that INT8 can say."""

PERCENTILE = 99.99
"""Percent of the values that stay within the range of :func:`percentile`."""

LEVELS = 256
SYMMETRIC_LEVELS = 128
"""Levels for magnitudes, which share their sign bit."""

STEPS = 128
"""Candidate ranges that a search looks at, or at each end."""


def minmax(histogram: Histogram, symmetric: bool) -> Limits:
    """All that was seen."""
    return min(histogram.low, 0.0), max(histogram.high, 0.0)


def percentile(histogram: Histogram, symmetric: bool) -> Limits:
    """Leaves out the 0.01 % of the values that are farthest away.

    Source: Wu et al., Integer quantization for deep learning inference (arXiv:2004.09602), section 5.1,
    whose 99.99 % is taken, over magnitudes when symmetric. Otherwise half of them at either end, as ONNX
    Runtime does.
    """
    total = histogram.zeros + int(histogram.counts.sum())
    cut = (1 - PERCENTILE / 100) * total
    if symmetric:
        bound = BINS - _bins_from_the_end(histogram.folded(), cut)
        return _within(histogram, -bound * histogram.width, bound * histogram.width)
    low = BINS - _bins_from_the_end(histogram.counts[:BINS][::-1], cut / 2)
    high = BINS - _bins_from_the_end(histogram.counts[BINS:], cut / 2)
    return _within(histogram, -low * histogram.width, high * histogram.width)


def _bins_from_the_end(counts: NDArray[np.int64], cut: float) -> float:
    """Bins at the far end, and a part of one, that hold ``cut`` values; all when there are fewer."""
    tail = np.concatenate([[0], np.cumsum(counts[::-1])])
    if tail[-1] <= cut:
        return float(len(counts))
    whole = int(np.searchsorted(tail, cut, side="right")) - 1
    return whole + float(cut - tail[whole]) / float(tail[whole + 1] - tail[whole])


def mse(histogram: Histogram, symmetric: bool) -> Limits:
    """The least mean square error.

    Rounding to a step s costs s**2 / 12 for each value within the range that is not zero; a value outside
    costs the square of its distance to the range. The first is the model of Banner et al., Post training
    4-bit quantization of convolutional networks for rapid-deployment (NeurIPS 2019), section 2; the second is
    summed over the histogram instead of a fitted distribution. Both ends are searched together, on a grid.
    """
    if symmetric:
        bounds, inside, outside = _tail(histogram.folded(), histogram.width)
        best = bounds[np.argmin((bounds / (SYMMETRIC_LEVELS - 1)) ** 2 / 12 * inside + outside)]
        return _within(histogram, -best, best)
    highs, inside_high, outside_high = _tail(histogram.counts[BINS:], histogram.width)
    lows, inside_low, outside_low = _tail(histogram.counts[:BINS][::-1], histogram.width)
    step = (lows[:, None] + highs) / (LEVELS - 1)
    error = step**2 / 12 * (inside_low[:, None] + inside_high) + outside_low[:, None] + outside_high
    low, high = np.unravel_index(np.argmin(error), error.shape)
    return _within(histogram, -lows[low], highs[high])


def _tail(counts: NDArray[np.int64], width: float) -> Iterator[NDArray[np.float64]]:
    """Candidate bounds from zero up; values within each; summed squares of the distances of those outside."""
    edges = np.arange(0, BINS + 1, BINS // STEPS)
    centres = (np.arange(BINS) + 0.5) * width
    beyond = [_sums_beyond(counts * centres**power)[edges] for power in range(3)]
    bounds = edges.astype(np.float64) * width
    yield bounds
    yield beyond[0][0] - beyond[0]
    yield np.maximum(beyond[2] - 2 * bounds * beyond[1] + bounds**2 * beyond[0], 0)


def _sums_beyond(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum of the values from each position on; one longer than ``values``, and 0 at its end."""
    return np.concatenate([np.cumsum(values[::-1])[::-1], [0.0]])


def entropy(histogram: Histogram, symmetric: bool) -> Limits:
    """The least Kullback-Leibler divergence of the quantized distribution from the true one.

    Source: Migacz, 8-bit inference with TensorRT (GTC 2017). What lies outside a candidate range counts to
    its outermost bins; the quantized distribution spreads the values of each level evenly over the level's
    bins that are not empty. Candidates narrow the range that was seen evenly, down to one bin a level; when
    not symmetric, both ends by the same factor.
    """
    low, high = minmax(histogram, symmetric)
    if symmetric:
        counts, zero, levels = histogram.folded(), 0, SYMMETRIC_LEVELS
        low, high = 0.0, max(-low, high)
    else:
        counts, zero, levels = histogram.counts, BINS, LEVELS
    below = -int(np.floor(low / histogram.width))
    above = int(np.floor(high / histogram.width)) + 1
    best, bounds = np.inf, (-below, above)
    for part in np.linspace(1, min(levels / (below + above), 1), STEPS):
        candidate = round(-part * below), round(part * above)
        divergence = _divergence(counts, zero + candidate[0], zero + candidate[1], levels)
        if divergence < best:
            best, bounds = divergence, candidate
    low, high = (bound * histogram.width for bound in bounds)
    return _within(histogram, -high if symmetric else low, high)


def _divergence(counts: NDArray[np.int64], left: int, right: int, levels: int) -> float:
    """KL(P || Q) for the range of bins ``left`` to ``right``."""
    if right <= left:
        return np.inf
    within = counts[left:right].astype(np.float64)
    true = within.copy()
    true[0] += counts[:left].sum()
    true[-1] += counts[right:].sum()
    level = np.arange(right - left) * min(levels, right - left) // (right - left)
    filled = np.bincount(level, within > 0)
    spread = np.where(within > 0, (np.bincount(level, within) / np.maximum(filled, 1))[level], 0)
    seen = true > 0
    if not seen.any() or not spread[seen].all():
        return np.inf
    p, q = true[seen] / true.sum(), spread[seen] / spread.sum()
    return float(np.sum(p * np.log(p / q)))


def _within(histogram: Histogram, low: float, high: float) -> Limits:
    least, most = minmax(histogram, False)
    return min(max(float(low), least), 0.0), max(min(float(high), most), 0.0)


METHODS: Mapping[str, Callable[[Histogram, bool], Limits]] = {
    "minmax": minmax,
    "percentile": percentile,
    "entropy": entropy,
    "mse": mse,
}
"""Name -> method."""
