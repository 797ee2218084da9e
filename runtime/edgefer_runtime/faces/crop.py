"""From a face in a frame to the crop that networks are trained on."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.contract import InputContract
from edgefer_runtime.faces.detection import Detection
from edgefer_runtime.images import check_crop


class Square(NamedTuple):
    """A square in a frame, turned about its centre; pixels.

    Attributes:
        x, y: its centre.
        side: its length.
        cosine, sine: of the angle by which its upper side falls to the right.
    """

    x: float
    y: float
    side: float
    cosine: float = 1.0
    sine: float = 0.0


def crop_face(frame: NDArray[np.uint8], detection: Detection, contract: InputContract) -> NDArray[np.uint8]:
    """The crop of one face that the network of ``contract`` takes, upright by the line of its eyes.

    Pixels beyond the frame's border repeat its outermost ones.

    Args:
        frame: uint8, H x W x 3, RGB.
        detection: the face; without landmarks the crop is upright.
        contract: gives the crop's size and its margin.

    Returns:
        uint8, ``contract.height`` x ``contract.width`` x 3, RGB: the same bytes for the same frame and
        detection on every machine.

    Raises:
        DataError: the frame is of another type or shape, or has no pixels.
    """
    check_crop(frame)
    return _sample(frame, face_square(detection, contract.crop_scale), contract.height, contract.width)


def face_square(detection: Detection, crop_scale: float) -> Square:
    """Where in the frame the crop of a face lies."""
    left, top, right, bottom = map(float, detection.box)
    square = Square((left + right) / 2, (top + bottom) / 2, max(right - left, bottom - top) * crop_scale)
    if detection.landmarks is None:
        return square
    (rx, ry), (lx, ly) = detection.landmarks[:2].tolist()
    length = math.sqrt((lx - rx) ** 2 + (ly - ry) ** 2)
    return square._replace(cosine=(lx - rx) / length, sine=(ly - ry) / length) if length else square


def _sample(frame: NDArray[np.uint8], square: Square, height: int, width: int) -> NDArray[np.uint8]:
    """Bilinear samples of ``frame`` at the centres of the square's ``height`` x ``width`` pixels."""
    across = ((np.arange(width) + 0.5) / width - 0.5) * square.side
    down = (((np.arange(height) + 0.5) / height - 0.5) * square.side)[:, None]
    x = square.x - 0.5 + square.cosine * across - square.sine * down
    y = square.y - 0.5 + square.sine * across + square.cosine * down
    (x0, x1, fx), (y0, y1, fy) = _taps(x, frame.shape[1]), _taps(y, frame.shape[0])
    upper = frame[y0, x0] * (1 - fx) + frame[y0, x1] * fx
    lower = frame[y1, x0] * (1 - fx) + frame[y1, x1] * fx
    result: NDArray[np.uint8] = (upper * (1 - fy) + lower * fy + np.float32(0.5)).astype(np.uint8)
    return result


def _taps(
    position: NDArray[np.float64], length: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Both neighbours of every position along an axis, and the weight of the second."""
    inside = position.clip(0, length - 1)
    low = inside.astype(np.intp)
    return low, np.minimum(low + 1, length - 1), (inside - low).astype(np.float32)[..., None]
