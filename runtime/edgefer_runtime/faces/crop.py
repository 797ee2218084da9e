"""From a face in a frame to the crop that networks are trained on.

Training crops are upright squares around the front of the face, from chin to hairline and moved up a
little, whichever way the face is turned. Where that square lies among BlazeFace's box and landmarks was
fitted to rendered heads, whose square is known (docs/faces.md).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.contract import InputContract
from edgefer_runtime.faces.detection import Detection
from edgefer_runtime.faces.sampling import Square, sample
from edgefer_runtime.images import check_crop

FACE_OVER_BOX = 1.35
"""From chin to hairline over a side of BlazeFace's box, which reaches from the chin to the brows."""
DOWN = 0.065
"""Of a side of the face: how far the square's centre is below the mean of the box's centre, the eyes' middle
and the ears' middle. A face that turns away leaves the box's centre one way and the ears' the other."""
UPRIGHT = 2.0
"""How much an upright face weighs against the lines from eye to eye and from ear to ear, where both together
are shorter than the box: seen from the side they are short, and tell little of how the head is inclined."""


def crop_face(frame: NDArray[np.uint8], detection: Detection, contract: InputContract) -> NDArray[np.uint8]:
    """The crop of one face that the network of ``contract`` takes.

    With landmarks the crop is that of the training: as large as the whole face, and turned until eyes and
    ears are level, as far as the face is seen from the front. A box without landmarks is taken to reach
    from chin to hairline; its crop is the upright square around it.

    Args:
        frame: uint8, H x W x 3, RGB.
        detection: the face, which may reach over the frame's border or lie beyond it.
        contract: gives the crop's size and its margin.

    Returns:
        uint8, ``contract.height`` x ``contract.width`` x 3, RGB: the same bytes for the same frame and
        detection on every machine. Beyond the border the frame's outermost pixels go on.

    Raises:
        DataError: the frame is of another type or shape, or has no pixels.
    """
    check_crop(frame)
    return sample(frame, face_square(detection, contract.crop_scale), contract.height, contract.width)


def face_square(detection: Detection, crop_scale: float) -> Square:
    """Where in the frame the crop of a face lies.

    Args:
        detection: the face.
        crop_scale: the crop's side over the face's.
    """
    left, top, right, bottom = detection.box.tolist()
    x, y, side = (left + right) / 2, (top + bottom) / 2, max(right - left, bottom - top)
    if detection.landmarks is None:
        return Square(x, y, side * crop_scale)
    right_eye, left_eye, _, _, right_ear, left_ear = detection.landmarks.tolist()
    across, down = ((left_eye[i] - right_eye[i] + left_ear[i] - right_ear[i]) / side for i in (0, 1))
    across += UPRIGHT * max(0.0, 1 - math.sqrt(across * across + down * down))
    length = math.sqrt(across * across + down * down)
    cosine, sine = (across / length, down / length) if length else (1.0, 0.0)
    side *= FACE_OVER_BOX
    x, y = (
        (centre + (right_eye[i] + left_eye[i]) / 2 + (right_ear[i] + left_ear[i]) / 2) / 3
        for i, centre in enumerate((x, y))
    )
    return Square(x - sine * DOWN * side, y + cosine * DOWN * side, side * crop_scale, cosine, sine)
