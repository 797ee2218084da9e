"""A frame of any shape in the middle of a network's square, and points of the square back in the frame."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Letterbox(NamedTuple):
    """How frames of one shape go into a square, unstretched and before black; made by :func:`letterbox`.

    Attributes:
        size: pixels a side of the square.
        top, left: where in the square the frame begins.
        scale: float32, 2; pixels of the frame for one of the square, across and down.
        corners: int, 4 x h x w; flat indices of the pixels around every point that is sampled.
        across, down: float32, 3 w and h x 1; weights of the right and of the lower of them, by channel.
    """

    size: int
    top: int
    left: int
    scale: NDArray[np.float32]
    corners: NDArray[np.intp]
    across: NDArray[np.float32]
    down: NDArray[np.float32]

    def fill(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The square, uint8 1 x size x size x 3: bilinear samples, as the network was trained on."""
        rows, columns = self.corners.shape[1:]
        pixels = frame.reshape(-1, 3)
        a, b, c, d = (pixels.take(corner, axis=0).reshape(rows, -1) for corner in self.corners)
        upper = a + (b.astype(np.float32) - a) * self.across
        lower = c + (d.astype(np.float32) - c) * self.across
        upper += (lower - upper) * self.down
        upper += np.float32(0.5)
        square = np.zeros((1, self.size, self.size, 3), dtype=np.uint8)
        inside = square[0, self.top : self.top + rows, self.left : self.left + columns]
        inside[...] = upper.reshape(inside.shape)
        return square

    def back(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Points of the square, ... x 2, in pixels of the frame."""
        return (points - np.array([self.left, self.top], dtype=np.float32)) * self.scale


@lru_cache(maxsize=16)
def letterbox(height: int, width: int, size: int) -> Letterbox:
    """How frames of ``height`` x ``width`` pixels go into a square of ``size``."""
    longer = max(height, width)
    rows, columns = (max(1, round(length * size / longer)) for length in (height, width))
    (y0, y1, down), (x0, x1, across) = _taps(height, rows), _taps(width, columns)
    return Letterbox(
        size=size,
        top=(size - rows) // 2,
        left=(size - columns) // 2,
        scale=np.array([width / columns, height / rows], dtype=np.float32),
        corners=np.stack([y[:, None] * width + x for y in (y0, y1) for x in (x0, x1)]),
        across=across.repeat(3),
        down=down[:, None],
    )


def _taps(source: int, target: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float32]]:
    """Both pixels that each of ``target`` samples lies between, and the weight of the second."""
    positions = ((np.arange(target) + 0.5) * source / target - 0.5).clip(0)
    low = positions.astype(np.intp)
    return low, np.minimum(low + 1, source - 1), (positions - low).astype(np.float32)
