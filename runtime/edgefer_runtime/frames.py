"""A camera's frames for a bench: face crops set into them, to be looked at as a robot would."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.analyzer import FaceAnalyzer
from edgefer_runtime.classifier import Classifier
from edgefer_runtime.errors import DataError
from edgefer_runtime.faces import FaceDetector

FRAME_HEIGHT, FRAME_WIDTH = 480, 640
GREY = 128

Frame = NDArray[np.uint8]


def pipeline(
    classifier: Classifier, detector: FaceDetector | None, crops: Sequence[Frame], count: int
) -> tuple[Callable[[Frame], Any], list[Frame]]:
    """What a robot does with a frame, and frames to do it with: find the face, follow it, smooth its label.

    Args:
        classifier: the engine, open.
        detector: finds the face; None where the bench tells where it is.
        crops: faces, uint8, H x W x 3, all of one size.
        count: frames wanted.

    Raises:
        DataError: the detector finds a face in fewer frames than that.
    """
    analyzer = FaceAnalyzer(classifier, detector)
    box = _box(crops[0])
    if detector is None:
        return lambda frame: analyzer(frame, boxes=[box]), list(islice(_framed(crops), count))
    frames = list(islice(filter(detector, _framed(crops)), count))
    if len(frames) < count:
        raise DataError(
            f"the detector finds a face in {len(frames)} of {len(crops)} frames",
            expected=f"in {count} or more",
            action="bench without --detector, or on a set that shows whole faces from the front",
        )
    return analyzer, frames


def _framed(crops: Iterable[Frame]) -> Iterator[Frame]:
    """Each crop in the middle of a grey frame of VGA size, or as large as it asks for."""
    for crop in crops:
        left, top, right, bottom = map(int, _box(crop))
        frame = np.full((max(FRAME_HEIGHT, bottom), max(FRAME_WIDTH, right), 3), GREY, dtype=np.uint8)
        frame[top:bottom, left:right] = crop
        yield frame


def _box(crop: Frame) -> tuple[float, float, float, float]:
    """Where a crop lies in its frame: left, top, right, bottom."""
    height, width = crop.shape[:2]
    top, left = max(FRAME_HEIGHT - height, 0) // 2, max(FRAME_WIDTH - width, 0) // 2
    return left, top, left + width, top + height
