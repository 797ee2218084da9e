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
FRONTAL = 1.2
"""Length of the lines from eye to eye and from ear to ear, together, over a side of the box: that of a face
seen from the front is at least about this. From the side they are shorter, and tell little of how the head is
inclined."""
UPRIGHT = 2.0
"""How much an upright face weighs against those lines, for all that they lack of that length."""


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
    box = detection.box.astype(np.float64)
    centre, side = (box[:2] + box[2:]) / 2, float((box[2:] - box[:2]).max())
    if detection.landmarks is None:
        return Square(float(centre[0]), float(centre[1]), side * crop_scale)
    right_eye, left_eye, _, _, right_ear, left_ear = detection.landmarks.astype(np.float64)
    across, down = ((left_eye - right_eye + left_ear - right_ear) / side).tolist()
    across += UPRIGHT * max(0.0, FRONTAL - math.sqrt(across * across + down * down))
    length = math.sqrt(across * across + down * down)
    cosine, sine = (across / length, down / length) if length else (1.0, 0.0)
    x, y = ((centre + (right_eye + left_eye) / 2 + (right_ear + left_ear) / 2) / 3).tolist()
    side *= FACE_OVER_BOX
    return Square(x - sine * DOWN * side, y + cosine * DOWN * side, side * crop_scale, cosine, sine)
