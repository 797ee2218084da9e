"""Crops that no camera would give: an exported graph must return what the network returns on them too."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

SIDE = 96
HUGE = (900, 1200)


def adversarial_crops() -> Mapping[str, NDArray[np.uint8]]:
    """Name -> crop, uint8 1 x H x W x 3: constant, noise, extremes, checkerboards, one pixel, huge."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    shape = (SIDE, SIDE, 3)
    crops = {
        "black": np.zeros(shape),
        "white": np.full(shape, 255),
        "pure blue": np.full(shape, (0, 0, 255)),
        "noise": generator.integers(0, 256, shape),
        "extreme noise": 255 * generator.integers(0, 2, shape),
        "checkerboard of 1 pixel": _grey(255 * ((rows + columns) % 2)),
        "checkerboard of 12 pixels": _grey(255 * ((rows // 12 + columns // 12) % 2)),
        "one pixel": generator.integers(0, 256, (1, 1, 3)),
        "one column": generator.integers(0, 256, (SIDE, 1, 3)),
        "huge": np.kron(generator.integers(0, 256, (9, 12, 3)), np.ones((HUGE[0] // 9, HUGE[1] // 12, 1))),
    }
    return {name: crop.astype(np.uint8)[None] for name, crop in crops.items()}


def _grey(board: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.repeat(board[:, :, None], 3, axis=2)
