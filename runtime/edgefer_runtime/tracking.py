"""Which face of this frame is which of the last one: by overlap, and by distance where nothing overlaps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.faces.detection import Detection

LIKE_SIZED = 2.0
"""One person's boxes in successive frames differ in side by less than this factor."""
INERTIA = 0.5
"""Weight of the velocity before the newest detection's: boxes jitter."""
FORESIGHT_S = 0.25
"""Nobody is taken to go on as he moved for longer than this."""


class Track:
    """One face over time.

    Attributes:
        number: its id, or None until it has been seen ``birth`` times.
        detection: where it was seen last.
        time_s: when that was.
    """

    def __init__(self, detection: Detection, time_s: float) -> None:
        self.number: int | None = None
        self.detection, self.time_s = detection, time_s
        self._velocity = np.zeros(4, np.float32)  # of the box's sides, pixels a second
        self.seen, self.missed = 1, 0

    def see(self, detection: Detection, time_s: float) -> None:
        """Take in where the face is now."""
        if (span_s := time_s - self.time_s) > 0:
            newest = (detection.box - self.detection.box) / np.float32(span_s)
            share = INERTIA if self.seen > 1 else 0.0
            self._velocity = np.float32(share) * self._velocity + np.float32(1 - share) * newest
        self.detection, self.time_s = detection, time_s
        self.seen, self.missed = self.seen + 1, 0

    def at(self, time_s: float) -> Detection:
        """Where the face should be: each side of its box moves on as it did, and the landmarks with them."""
        span_s = min(max(time_s - self.time_s, 0.0), FORESIGHT_S)
        before, landmarks = self.detection.box, self.detection.landmarks
        box = before + self._velocity * np.float32(span_s)
        if not span_s or (box[2:] - box[:2] < (before[2:] - before[:2]) / LIKE_SIZED).any():
            return self.detection
        if landmarks is not None:
            growth = (box[2:] - box[:2]) / (before[2:] - before[:2])
            landmarks = box[:2] + (landmarks - before[:2]) * growth
        return Detection(box, landmarks, self.detection.score)


class Tracker:
    """Gives each face an id that stays with it and is never given again.

    Detections and tracks are paired greedily, the closest pair first, until none is left that overlaps or
    whose centres are within a side of the box. Frames in which people have moved by less than half the
    space between them are paired as the best assignment would.

    Args:
        birth: detections before a face gets its id: a single false alarm gets none.
        death: detections in a row that may miss a face before its id is gone for good.
    """

    def __init__(self, *, birth: int = 2, death: int = 15) -> None:
        self._birth, self._death = birth, death
        self._numbers = count(1)
        self.tracks: list[Track] = []

    def update(self, detections: Sequence[Detection], time_s: float) -> list[Track]:
        """Take in what a detector found at ``time_s`` (seconds, never falling); one track a detection."""
        found: dict[int, Track] = {}
        for row, column in _pairs([track.at(time_s) for track in self.tracks], detections):
            found[column] = self.tracks[row]
            found[column].see(detections[column], time_s)
        seen = {id(track) for track in found.values()}
        for track in self.tracks:
            track.missed += id(track) not in seen
        for column, detection in enumerate(detections):
            if column not in found:
                found[column] = Track(detection, time_s)
                self.tracks.append(found[column])
        # An unconfirmed face that is missed once was a false alarm.
        self.tracks = [track for track in self.tracks if track.missed <= (self._death if track.number else 0)]
        ordered = [found[column] for column in range(len(detections))]
        for track in ordered:
            if track.number is None and track.seen >= self._birth:
                track.number = next(self._numbers)
        return ordered

    def carried(self) -> list[Track]:
        """The tracks that the last detection saw, best score first."""
        seen = (track for track in self.tracks if not track.missed)
        return sorted(seen, key=lambda track: -track.detection.score)


def _pairs(before: Sequence[Detection], now: Sequence[Detection]) -> list[tuple[int, int]]:
    """Indices of faces that are the same, the most alike first."""
    if not before or not now:
        return []
    alike = likeness(np.stack([face.box for face in before]), np.stack([face.box for face in now]))
    pairs: list[tuple[int, int]] = []
    rows, columns = set[int](), set[int]()
    for place in np.argsort(-alike, axis=None, kind="stable").tolist():
        row, column = divmod(place, len(now))
        if alike[row, column] <= 0:
            break
        if row not in rows and column not in columns:
            pairs.append((row, column))
            rows.add(row)
            columns.add(column)
    return pairs


def likeness(before: NDArray[np.float32], now: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much boxes look like one face's: intersection over union, plus how near the centres are.

    Nearness is 1 where they are the same, and 0 from one side of the smaller box on; a side is the
    root of a box's area. 0 altogether where one side is twice the other.

    Args:
        before, now: float32, N x 4 and M x 4: left, top, right, bottom.

    Returns:
        float32, N x M, 0..2.
    """
    a, b = before[:, None], now[None]
    overlap = (np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])).clip(0)
    intersection = overlap.prod(-1)
    areas = [(boxes[..., 2:] - boxes[..., :2]).prod(-1) for boxes in (a, b)]
    union = areas[0] + areas[1] - intersection
    sides = np.sqrt(np.stack(np.broadcast_arrays(*areas)))
    distance = np.linalg.norm((a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) / 2, axis=-1)
    nearness = (1 - distance / sides.min(0)).clip(0)
    like_sized = sides.max(0) < LIKE_SIZED * sides.min(0)
    alike: NDArray[np.float32] = ((intersection / union + nearness) * like_sized).astype(np.float32)
    return alike
