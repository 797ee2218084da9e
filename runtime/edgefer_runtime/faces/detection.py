"""What a face detector tells, and what may call itself one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.errors import DataError

LANDMARKS = ("right eye", "left eye", "nose", "mouth", "right ear", "left ear")
"""In the order of :attr:`Detection.landmarks`; right and left are the person's own."""


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """One face in a frame. A caller's own box needs no landmarks: ``Detection(box, None, 1.0)``.

    Attributes:
        box: float32, 4: left, top, right, bottom in pixels of the frame, over whose border it may reach.
        landmarks: float32, 6 x 2: x and y in pixels of the points that :data:`LANDMARKS` names, or None.
        score: 0..1, how sure the detector is.

    Raises:
        DataError: a box that is not four finite numbers with left < right and top < bottom, or landmarks
            that are not six points.
    """

    box: NDArray[np.float32]
    landmarks: NDArray[np.float32] | None
    score: float

    def __post_init__(self) -> None:
        box = _floats(self.box)
        if box.shape != (4,) or not np.isfinite(box).all() or box[0] >= box[2] or box[1] >= box[3]:
            raise DataError(
                f"a face's box {self.box}",
                expected="four numbers: left, top, right, bottom, with left < right and top < bottom",
                action="check what made the box",
            )
        object.__setattr__(self, "box", box)
        if self.landmarks is None:
            return
        landmarks = _floats(self.landmarks)
        if landmarks.shape != (len(LANDMARKS), 2) or not np.isfinite(landmarks).all():
            raise DataError(
                f"a face's landmarks of shape {landmarks.shape}",
                expected=f"x and y of {', '.join(LANDMARKS)}, or None",
                action="leave landmarks out if your detector gives others",
            )
        object.__setattr__(self, "landmarks", landmarks)


class FaceDetector(Protocol):
    """Anything that finds faces: a function of a frame will do."""

    def __call__(self, frame: NDArray[np.uint8], /) -> list[Detection]:
        """The faces in ``frame``, uint8 H x W x 3 RGB, best score first."""


def _floats(values: Any) -> NDArray[np.float32]:
    """As float32; an empty array where that cannot be."""
    try:
        return np.asarray(values, dtype=np.float32)
    except (TypeError, ValueError):
        return np.empty(0, dtype=np.float32)
