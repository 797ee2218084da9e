"""Notices a face set whose pictures are whole photos: networks take crops that a face fills."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgefer.data.listing import Problems
from edgefer.data.pictures import Picture
from edgefer_runtime.errors import DataError
from edgefer_runtime.faces.whole import CropCheck

SAMPLE = 24
"""Pictures that are looked at, in even distances."""
SMALLEST_PHOTO = 128
"""Pixels a side; in smaller pictures the detector sees faces in noise."""


def warn_of_whole_photos(pictures: Sequence[Picture], problems: Problems) -> None:
    """Note it when in most pictures of a sample a face is found, but a small one.

    Pictures in which none is found tell nothing: a set may be of drawings, or of faces from behind.
    """
    check = CropCheck.open(threads=1) if pictures else None
    if check is None:
        return
    chosen = np.unique(np.linspace(0, len(pictures) - 1, SAMPLE).round().astype(int))
    small = []
    for picture in (pictures[index] for index in chosen):
        try:
            size = picture.size()
            if min(size) < SMALLEST_PHOTO:
                continue
            look = check(picture.pixels(*size))
        except DataError:  # told already, as a picture that cannot be read
            continue
        if look.faces and not look.is_crop:
            small.append(f"{picture.name}: {look}")
    if 2 * len(small) > len(chosen):
        for example in small:
            problems.warn(
                f"of {len(chosen)} pictures looked at are whole photos, not face crops",
                example,
                "crop the faces: `edgefer datasets prepare`",
            )
