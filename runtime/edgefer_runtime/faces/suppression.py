"""One face of the many candidates that a detector gives for each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SAME_FACE = 0.3
"""Intersection over union of two boxes above which they are of one face."""


def merge(
    scores: NDArray[np.float32], points: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Non-maximum suppression that keeps the mean of each face's candidates, weighted by score.

    The mean trembles less from frame to frame than the best candidate does (arXiv:1907.05047, section 3.4).

    Args:
        scores: N, best first.
        points: N x P x 2; the corners of a box that is not empty, and points that go with it.

    Returns:
        Score of the best candidate and mean points of every face, best first.
    """
    near = _overlap(points[:, 0], points[:, 1]) > SAME_FACE
    free = np.ones(len(scores), dtype=bool)
    leaders, groups = [], []
    for candidate in range(len(scores)):
        if free[candidate]:
            group = near[candidate] & free
            free &= ~group
            leaders.append(candidate)
            groups.append(group)
    if not leaders:
        return scores, points
    weights = np.stack(groups) * scores
    weights /= weights.sum(axis=1, keepdims=True)
    merged = weights @ points.reshape(len(points), -1)
    return scores[leaders], merged.reshape(len(leaders), *points.shape[1:])


def _overlap(low: NDArray[np.float32], high: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of every box with every other, N x N."""
    sides = high - low
    area = sides[:, 0] * sides[:, 1]
    shared = (np.minimum(high[:, None], high) - np.maximum(low[:, None], low)).clip(0)
    both = shared[..., 0] * shared[..., 1]
    ratio: NDArray[np.float32] = both / (area[:, None] + area - both)
    return ratio
