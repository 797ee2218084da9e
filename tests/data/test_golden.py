"""A handful of tiny pictures, kept as they were: a change of any pixel must be meant.

Run this file as a script to write them anew, and raise ``GENERATOR`` in cache.py when you do.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from edgefer.data.synthetic.performance import stage
from edgefer.data.synthetic.render import render_view

GOLDEN = Path(__file__).parent / "golden" / "synthfer.png"
SIZE = 64
PICTURES = (
    (300, 3, False, "none", 2),
    (301, 0, False, "none", 1),
    (302, 5, True, "sunglasses", 3),
    (303, 6, True, "mask", 2),
    (304, 4, True, "hand", 2),
    (305, 1, True, "patch", 0),
    (306, 2, True, "none", 4),
)
"""identity, expression, wild, occlusion, view"""


def rendered() -> np.ndarray:
    """All pictures side by side."""
    return np.concatenate([render_view(stage(*key), view, SIZE) for *key, view in PICTURES], axis=1)


def test_pixels_are_what_they_were():
    difference = np.abs(rendered().astype(int) - np.asarray(Image.open(GOLDEN)))
    assert (difference > 1).mean() < 0.001
    assert difference.mean() < 0.02


if __name__ == "__main__":
    Image.fromarray(rendered()).save(GOLDEN)
