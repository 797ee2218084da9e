"""Pixels of a turned square in a frame: the same bytes for the same frame and square on every machine."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Square(NamedTuple):
    """A square in a frame, turned about its centre.

    Attributes:
        x, y: its centre in pixels; the frame's first pixel reaches from 0 to 1.
        side: its length in pixels.
        cosine, sine: of the angle by which its upper side falls to the right.
    """

    x: float
    y: float
    side: float
    cosine: float = 1.0
    sine: float = 0.0


def sample(frame: NDArray[np.uint8], square: Square, height: int, width: int) -> NDArray[np.uint8]:
    """What ``frame`` shows in ``square``, as ``height`` x ``width`` pixels.

    Bilinear between the frame's pixels or, where one of the result covers 2 x 2 of them or more, between
    the means of as many: nothing of the frame is passed over, and its noise does not alias. Beyond the
    border the frame's outermost pixels go on: black would be an edge that no photograph has.

    Additions, multiplications, divisions and square roots only, which IEEE 754 rounds in one way.
    """
    block = max(1, int(square.side / max(height, width)))
    reach = (abs(square.cosine) + abs(square.sine)) * square.side / 2 + block
    top, bottom = _span(square.y, reach, frame.shape[0])
    left, right = _span(square.x, reach, frame.shape[1])
    block = min(block, bottom - top, right - left)
    means = _block_means(frame[top:bottom, left:right], block)

    across = ((np.arange(width) + 0.5) / width - 0.5) * square.side
    down = (((np.arange(height) + 0.5) / height - 0.5) * square.side)[:, None]
    x = square.x + square.cosine * across - square.sine * down
    y = square.y + square.sine * across + square.cosine * down
    x0, x1, right_share = _neighbours((x - left) / block - 0.5, means.shape[1])
    y0, y1, lower_share = _neighbours((y - top) / block - 0.5, means.shape[0])
    upper, lower = means[y0, x0], means[y1, x0]
    upper += (means[y0, x1] - upper) * right_share
    lower += (means[y1, x1] - lower) * right_share
    upper += (lower - upper) * lower_share
    upper += np.float32(0.5)
    return upper.astype(np.uint8)


def _span(centre: float, reach: float, length: int) -> tuple[int, int]:
    """First and last pixel, exclusive, of a line that samples within ``reach`` of ``centre`` may need."""
    first = min(max(int(centre - reach) - 1, 0), length - 1)
    return first, min(max(int(centre + reach) + 2, first + 1), length)


def _block_means(pixels: NDArray[np.uint8], block: int) -> NDArray[np.float32]:
    """Means of ``block`` x ``block`` pixels; what is left over at the right and below goes unseen."""
    if block == 1:
        return pixels.astype(np.float32)
    rows, columns = pixels.shape[0] // block, pixels.shape[1] // block
    total = np.zeros((rows, columns, 3), dtype=np.uint32)
    for row in range(block):
        for column in range(block):
            total += pixels[row : rows * block : block, column : columns * block : block]
    means: NDArray[np.float32] = total.astype(np.float32) / np.float32(block * block)
    return means


def _neighbours(
    positions: NDArray[np.float64], length: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Both pixels that each position lies between, and the share of the second."""
    inside = positions.clip(0, length - 1)
    low = inside.astype(np.intp)
    return low, np.minimum(low + 1, length - 1), (inside - low).astype(np.float32)[..., None]
