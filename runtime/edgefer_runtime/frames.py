"""From a camera's frame to a steady label: the face's crop, the engine, and smoothing over frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.classifier import Classifier

FRAME_HEIGHT, FRAME_WIDTH = 480, 640
SMOOTHING = 0.6
"""Weight of what was believed before the newest frame."""

Box = tuple[int, int, int, int]
"""Top, left, bottom, right, in pixels."""
Detector = Callable[[NDArray[np.uint8]], Box]


class FrameLabeller:
    """Labels one face in a stream of frames.

    Args:
        classifier: the engine, open.
        detector: finds the face in a frame.
    """

    def __init__(self, classifier: Classifier, detector: Detector) -> None:
        self._classifier, self._detector = classifier, detector
        self._belief: NDArray[np.float32] | None = None

    def __call__(self, frame: NDArray[np.uint8]) -> str:
        """The face's label: probabilities of successive frames are averaged exponentially.

        Args:
            frame: uint8, H x W x 3, RGB.
        """
        top, left, bottom, right = self._detector(frame)
        now = self._classifier.predict(frame[None, top:bottom, left:right])[0]
        before = now if self._belief is None else self._belief
        self._belief = SMOOTHING * before + (1 - SMOOTHING) * now
        return self._classifier.classes[int(self._belief.argmax())]


def as_frames(crops: Sequence[NDArray[np.uint8]]) -> tuple[list[NDArray[np.uint8]], Box]:
    """Frames of VGA size, or as large as a crop asks for, with a crop in the middle; and where it is."""
    height, width = crops[0].shape[:2]
    shape = max(FRAME_HEIGHT, height), max(FRAME_WIDTH, width)
    top, left = (shape[0] - height) // 2, (shape[1] - width) // 2
    box = top, left, top + height, left + width
    frames = []
    for crop in crops:
        frame = np.full((*shape, 3), 128, dtype=np.uint8)
        frame[box[0] : box[2], box[1] : box[3]] = crop
        frames.append(frame)
    return frames, box
