"""From a camera's frame to the expressions of its faces, each followed from frame to frame."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgefer_runtime.bundle import Bundle
from edgefer_runtime.classifier import Classifier
from edgefer_runtime.closing import Closing
from edgefer_runtime.errors import DataError, UsageError
from edgefer_runtime.faces import Detection, FaceDetector, crop_face
from edgefer_runtime.images import check_crop
from edgefer_runtime.smoothing import Belief
from edgefer_runtime.tracking import Track, Tracker

SMOOTHING_S = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face in a frame.

    Attributes:
        box: float32, 4: left, top, right, bottom in pixels of the frame, over whose border it may reach;
            a part of it lies inside.
        landmarks: float32, 6 x 2, as :class:`edgefer_runtime.faces.Detection` has them, or None.
        score: 0..1, how sure the detector is; 1 for a caller's own box.
        label: the most probable class.
        probabilities: float32, K, in the order of ``classes``; smoothed over the track, if there is one.
        classes: all K class names.
        track: the same number for the same face in successive frames; None until it is sure to be one, and
            where nothing is tracked.
    """

    box: NDArray[np.float32]
    landmarks: NDArray[np.float32] | None
    score: float
    label: str
    probabilities: NDArray[np.float32]
    classes: tuple[str, ...]
    track: int | None = None

    @property
    def confidence(self) -> float:
        """Probability of ``label``."""
        return float(self.probabilities.max())


class FaceAnalyzer(Closing):
    """Finds the faces in frames, follows them, and tells their expressions.

    An analyzer follows one camera; two cameras take two, which may share classifier and detector.
    Calling it is safe from many threads, but frames must come in their order. :meth:`analyze` remembers
    nothing and may be called at any time: for pictures, and for a server.

    A context manager: leaving it closes the bundle it opened.

    Args:
        classifier: labels a face.
        detector: finds faces; None where every call brings its own boxes.
        detect_every: the detector sees every n-th frame. In between, the sides of each box move on as they
            did between its last two detections, and its landmarks with them.
        smoothing_s: time constant, in seconds, of the average over a track's frames
            (:class:`edgefer_runtime.smoothing.Belief`); 0 switches it off.
        birth, death: when a face gets its track number and when it loses it
            (:class:`edgefer_runtime.tracking.Tracker`).

    Raises:
        UsageError: a setting that is out of range.
    """

    _tracker: Tracker
    _beliefs: dict[Track, Belief]
    _number: int
    _last_s: float

    def __init__(
        self,
        classifier: Classifier,
        detector: FaceDetector | None,
        *,
        detect_every: int = 1,
        smoothing_s: float = SMOOTHING_S,
        birth: int = 2,
        death: int = 15,
    ) -> None:
        if min(detect_every, birth, death) < 1 or not 0 <= smoothing_s < float("inf"):
            raise UsageError(
                f"detect_every={detect_every}, smoothing_s={smoothing_s}, birth={birth}, death={death}",
                expected="whole numbers from 1, and a finite time from 0 seconds",
            )
        self.classifier, self.detector = classifier, detector
        self._detect_every, self._smoothing_s = detect_every, smoothing_s
        self._birth, self._death = birth, death
        self._lock = threading.Lock()
        self.reset()

    @classmethod
    def open(
        cls,
        bundle: str | Path | Bundle,
        *,
        detector: FaceDetector | None = None,
        detect_every: int = 1,
        smoothing_s: float = SMOOTHING_S,
        birth: int = 2,
        death: int = 15,
        **options: Any,
    ) -> FaceAnalyzer:
        """Open a bundle, and a detector for its faces.

        Args:
            bundle: as :meth:`edgefer_runtime.Classifier.open` takes it.
            detector: None for BlazeFace full-range, on as many threads.
            detect_every, smoothing_s, birth, death: see the class.
            **options: ``threads``, ``device``, ``cache``, ``allow_fallback`` of
                :meth:`edgefer_runtime.Classifier.open`.

        Raises:
            EdgeferError: as :meth:`edgefer_runtime.Classifier.open`; also a detector that cannot be opened.
        """
        if detector is None:
            from edgefer_runtime.faces import BlazeFace

            detector = BlazeFace.open(threads=options.get("threads"))
        opened = bundle if isinstance(bundle, Bundle) else Bundle.open(bundle)
        contract = opened.manifest.input
        try:
            # Every crop is cut out at the network's own size.
            classifier = Classifier.open(opened, size=(contract.height, contract.width), **options)
            return cls(
                classifier,
                detector,
                detect_every=detect_every,
                smoothing_s=smoothing_s,
                birth=birth,
                death=death,
            )
        except BaseException:
            if opened is not bundle:
                opened.close()
            raise

    def __call__(
        self, frame: NDArray[np.uint8], *, boxes: ArrayLike | None = None, time_s: float | None = None
    ) -> list[Face]:
        """The faces in the next frame, followed since the last one, best score first.

        Args:
            frame: uint8, H x W x 3, RGB.
            boxes: N x 4: left, top, right, bottom in pixels, where the caller knows the faces; the detector
                is then not asked.
            time_s: when the frame was taken, in seconds from any moment; by default now. It must not fall.

        Raises:
            DataError: a frame of another type or shape, a box that is none or lies outside the frame, or a
                time that is not finite or falls.
            UsageError: neither boxes nor a detector.
        """
        check_crop(frame)
        with self._lock:
            now_s = self._now(time_s)
            detect = boxes is not None or self._number % self._detect_every == 0
            if detect:
                detections = self._detections(frame, boxes)
                tracks = self._tracker.update(detections, now_s)
                self._beliefs = {
                    track: self._beliefs.get(track) or Belief(self._smoothing_s)
                    for track in self._tracker.tracks
                }
            else:
                moved = [(track, track.at(now_s)) for track in self._tracker.carried()]
                # A face that has left the frame since it was detected is nowhere to be looked at.
                inside = [(track, face) for track, face in moved if _is_inside(face, frame)]
                tracks, detections = [track for track, _ in inside], [face for _, face in inside]
            self._number += 1
            self._last_s = now_s
            probabilities = [
                self._beliefs[track].update(row, now_s)
                for track, row in zip(tracks, self._predict(frame, detections), strict=True)
            ]
            numbers = [track.number for track in tracks]
        return self._faces(detections, probabilities, numbers)

    def analyze(self, frame: NDArray[np.uint8], *, boxes: ArrayLike | None = None) -> list[Face]:
        """The faces in a frame that stands alone: nothing is tracked, smoothed or remembered.

        Args, Raises: as a call. Any number of threads may be here at once.
        """
        check_crop(frame)
        detections = self._detections(frame, boxes)
        return self._faces(detections, self._predict(frame, detections), [None] * len(detections))

    def reset(self) -> None:
        """Forget all tracks: the next frame has nothing to do with the last one."""
        with self._lock:
            self._tracker = Tracker(birth=self._birth, death=self._death)
            self._beliefs, self._number, self._last_s = {}, 0, -math.inf

    def close(self) -> None:
        """As :meth:`edgefer_runtime.Classifier.close`."""
        self.classifier.close()

    def _detections(self, frame: NDArray[np.uint8], boxes: ArrayLike | None) -> list[Detection]:
        if boxes is not None:
            given = [Detection(box, None, 1.0) for box in _rows(boxes)]
            for face in given:
                if not _is_inside(face, frame):
                    height, width = frame.shape[:2]
                    raise DataError(
                        f"a face's box {face.box.tolist()} outside its frame",
                        expected=f"one that shares pixels with the frame's {width} x {height}",
                        action="check that box and frame are of one size and moment",
                    )
            return given
        if self.detector is None:
            raise UsageError(
                "no boxes, and no detector to find any", expected="boxes=..., or an analyzer with a detector"
            )
        return [face for face in self.detector(frame) if _is_inside(face, frame)]

    def _now(self, time_s: float | None) -> float:
        """The frame's time, if it is one that may follow the last."""
        if time_s is None:
            time_s = time.monotonic()
        try:
            now_s = float(time_s)
        except (TypeError, ValueError, OverflowError):
            now_s = math.nan
        if not math.isfinite(now_s) or now_s < self._last_s:
            before = "" if math.isinf(self._last_s) else f" after {self._last_s:g}"
            raise DataError(
                f"a frame with time_s={time_s!r}{before}",
                expected="finite seconds that do not fall from frame to frame, all by one clock",
                action="call reset() where another film begins; leave time_s out for the time of the call",
            )
        return now_s

    def _predict(
        self, frame: NDArray[np.uint8], detections: Sequence[Detection]
    ) -> Sequence[NDArray[np.float32]]:
        """Probabilities of each face; all in one call where the engine takes them so."""
        if not detections:
            return []
        contract = self.classifier.bundle.manifest.input
        crops = np.stack([crop_face(frame, detection, contract) for detection in detections])
        return list(self.classifier.predict(crops))

    def _faces(
        self,
        detections: Sequence[Detection],
        probabilities: Sequence[NDArray[np.float32]],
        numbers: Sequence[int | None],
    ) -> list[Face]:
        classes = self.classifier.classes
        return [
            Face(
                detection.box,
                detection.landmarks,
                detection.score,
                classes[int(row.argmax())],
                row,
                classes,
                number,
            )
            for detection, row, number in zip(detections, probabilities, numbers, strict=True)
        ]


def _is_inside(face: Detection, frame: NDArray[np.uint8]) -> bool:
    """Whether at least a part of the face's box lies in the frame."""
    left, top, right, bottom = face.box.tolist()
    height, width = frame.shape[:2]
    return bool(right > 0 and bottom > 0 and left < width and top < height)


def _rows(boxes: ArrayLike) -> NDArray[np.float32]:
    """``boxes`` as N x 4."""
    try:
        rows = np.asarray(boxes, dtype=np.float32)
    except (TypeError, ValueError):
        rows = np.empty((1, 0), np.float32)
    if rows.shape == (0,) or (rows.ndim == 2 and rows.shape[1] == 4):
        return rows.reshape(-1, 4)
    raise DataError(
        f"boxes of shape {' x '.join(map(str, rows.shape)) or '()'}",
        expected="N x 4: left, top, right, bottom of each face, in pixels",
        action="give [box] for a single face",
    )
