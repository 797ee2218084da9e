"""Whether pictures can be crops of faces, by nothing but their size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgefer.data.pictures import Picture
from edgefer_runtime.errors import DataError

NARROWEST, WIDEST = 0.5, 1.45
"""Width by height of a face crop, generously: CK+'s frames have 1.31, photos from 1.5 on."""
SAMPLE = 200
"""Pictures that are looked at."""


def no_crop(width: int, height: int) -> bool:
    """Whether a picture of this size is shaped like no face crop."""
    return not NARROWEST <= width / max(height, 1) <= WIDEST


def mostly_no_crops(pictures: Sequence[Picture]) -> str:
    """What is wrong where more than half of the pictures are shaped like no face crop; empty otherwise."""
    if not pictures:
        return ""
    chosen = np.unique(np.linspace(0, len(pictures) - 1, SAMPLE).round().astype(int)).tolist()
    sizes = [(size, pictures[index].name) for index in chosen if (size := _size(pictures[index]))]
    wrong = [(size, name) for size, name in sizes if no_crop(*size)]
    if 2 * len(wrong) <= len(sizes):
        return ""
    (width, height), name = wrong[0]
    return (
        f"{len(wrong)} of {len(sizes)} pictures looked at are shaped like no face crop, e.g. {name} "
        f"({width} x {height})"
    )


def _size(picture: Picture) -> tuple[int, int] | None:
    """None where the picture cannot be read: decoding it will tell."""
    try:
        return picture.size()
    except DataError:
        return None
