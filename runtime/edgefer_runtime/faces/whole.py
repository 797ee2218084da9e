"""Tells a whole photo from the face crop that a classifier takes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.errors import EdgeferError
from edgefer_runtime.faces.blazeface import BlazeFace

DETECTOR, MIN_SCORE = "back", 0.3
"""Of three detectors this one finds most faces that fill the picture."""
RING = 0.5
"""Grey around the picture, of its longer side: without it, faces that reach its border are missed."""
GREY = 128
LOOKED_AT = 512
"""Pixels a side that are enough to see a face that is large in the picture."""
LEAST_SHARE = 0.45
"""Of a crop's longer side that its face's box fills. Of 350 crops of FER2013 one in a hundred is below 0.56;
of SynthFER's from the front none is below 0.45, of its profiles one in six."""


class Look(NamedTuple):
    """What a picture shows.

    Attributes:
        faces: how many.
        share: the largest one's box over the picture, longer sides both; 0 without a face.
    """

    faces: int
    share: float

    @property
    def is_crop(self) -> bool:
        """Whether a face fills it."""
        return self.share >= LEAST_SHARE

    def __str__(self) -> str:
        if not self.faces:
            return "no face was found in it"
        which = "its face" if self.faces == 1 else f"the largest of its {self.faces} faces"
        return f"{which} fills {self.share:.0%} of its longer side"


class CropCheck:
    """Looks for a face that fills a picture; may be called from many threads."""

    def __init__(self, detector: BlazeFace) -> None:
        self._detector = detector

    @classmethod
    def open(cls, *, threads: int | None = None) -> CropCheck | None:
        """With the built-in detector; None where it cannot be opened: nothing that runs it is installed."""
        try:
            return cls(BlazeFace.open(DETECTOR, threads=threads, min_score=MIN_SCORE))
        except EdgeferError:
            return None

    def __call__(self, image: NDArray[np.uint8]) -> Look:
        """What a picture shows: uint8, H x W x 3, RGB."""
        step = max(1, max(image.shape[:2]) // LOOKED_AT)
        small = image[::step, ::step]
        height, width = small.shape[:2]
        ring = round(RING * max(height, width))
        framed = np.full((height + 2 * ring, width + 2 * ring, 3), GREY, np.uint8)
        framed[ring : ring + height, ring : ring + width] = small
        sides = [float((face.box[2:] - face.box[:2]).max()) for face in self._detector(framed)]
        return Look(len(sides), max(sides, default=0.0) / max(height, width))
