"""Video files: their frames at the times that the container gives them, to the end that it promises."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer.pipeline.containers import Declared, read_declared
from edgefer_runtime.camera import import_opencv
from edgefer_runtime.errors import DataError
from edgefer_runtime.shots import Image

USUAL_HZ = 30.0
"""Of a film that does not tell."""
HIGHEST_HZ = 240.0

PEEK = 32
"""Frames that are looked at to learn how a film keeps time."""
SPLICE_S = 1.0
"""Times that fall by more than this belong to another recording, which was joined to the first."""

SHARE = 0.9
"""Of the frames, or of the time, that a whole film at least has: decoders leave out some at its ends."""
ESTIMATED_SHARE = 0.75
"""The same where only an estimate is known: a last frame may be shown for long."""


class Clock:
    """From the positions that a decoder tells to times since the first frame, which never fall."""

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._base_s: float | None = None
        self._last_s = 0.0

    def __call__(self, position_s: float) -> float:
        """The time of the next frame.

        Args:
            position_s: where the decoder says it lies.
        """
        if not math.isfinite(position_s):
            self._last_s += self._period_s
            return self._last_s
        if self._base_s is None:
            self._base_s = position_s
        if position_s - self._base_s < self._last_s - SPLICE_S:
            self._base_s = position_s - self._last_s - self._period_s
        self._last_s = max(self._last_s, position_s - self._base_s)
        return self._last_s


@dataclass(frozen=True)
class Video:
    """A video file.

    Attributes:
        path: where it is.
        mean_hz: frames a second, as the container has it.
        grid_hz: a rate at which its frames, at their times, can be written one by one.
        has_times: whether it tells when each frame is shown; else they come at ``mean_hz``.
        total: how many frames there are, as far as is known.
    """

    path: Path
    mean_hz: float
    grid_hz: float
    has_times: bool
    total: int | None

    @classmethod
    def open(cls, path: Path) -> Video:
        """Look at the first frames.

        Raises:
            DataError: no video that can be read.
            MissingError: OpenCV is not installed.
        """
        cv2 = import_opencv("to read a video; GIF, WebP and folders of pictures need none")
        capture = _opened(path)
        try:
            hz, count = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
            positions_s = [_position_s(capture) for _ in range(PEEK) if capture.grab()]
        finally:
            capture.release()
        hz = hz if 0 < hz <= 1000 else USUAL_HZ
        total = int(count) if 0 < count < 1 << 32 else None
        has_times = len(positions_s) < 2 or len({*positions_s}) > 1
        return cls(path, hz, grid_hz(positions_s, hz) if has_times else hz, has_times, total)

    def frames(self) -> Iterator[tuple[Image, float]]:
        """Each frame, uint8, H x W x 3, RGB, and its time in seconds since the first one.

        Raises:
            DataError: not a single frame; or, after the last, that there should have been more.
        """
        cv2 = import_opencv("to read a video")
        clock, number, time_s = Clock(1 / self.mean_hz), 0, 0.0
        capture = _opened(self.path)
        try:
            while capture.grab():
                position_s = _position_s(capture)
                there, image = capture.retrieve()
                if not there:
                    break
                time_s = clock(position_s) if self.has_times else number / self.mean_hz
                yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB), time_s
                number += 1
        finally:
            capture.release()
        if not number:
            raise DataError(f"{self.path}: a video without frames", action="record it again")
        self._require_whole(number, time_s + 1 / self.mean_hz)

    def _require_whole(self, frames: int, end_s: float) -> None:
        declared = read_declared(self.path)
        wanted = missing_of(declared, frames, end_s, self.mean_hz)
        if wanted is not None:
            short = f"; the file lacks {declared.missing_bytes:,} bytes" if declared.missing_bytes else ""
            raise DataError(
                f"{self.path}: {frames:,} of {wanted} frames could be read{short}",
                expected="a whole video",
                action="copy or record it again; what was read is kept",
            )


def missing_of(declared: Declared, frames: int, end_s: float, mean_hz: float) -> str | None:
    """How many frames there should have been, as one says it; None if the film is whole, as far as is known.

    Args:
        declared: what the file's head says.
        frames, end_s: how many were read, and when the last of them ends.
        mean_hz: the decoder's frames a second, which may be an estimate.
    """
    duration_s = declared.duration_s
    estimate = "an unknown number of"
    if duration_s:
        estimate = f"about {max(round(duration_s * mean_hz), frames + 1):,}"
    if declared.missing_bytes:
        if declared.frames is not None:
            return f"{declared.frames:,}" if frames < declared.frames else None
        return estimate if duration_s is None or end_s < duration_s - 2 / mean_hz else None
    if declared.frames is not None:
        return f"{declared.frames:,}" if frames < SHARE * declared.frames else None
    if duration_s is not None and end_s < min(ESTIMATED_SHARE * duration_s, duration_s - 1):
        return estimate
    return None


def grid_hz(times_s: Sequence[float] | NDArray[np.float64], mean_hz: float) -> float:
    """A rate at which frames at ``times_s`` hardly ever fall together; the mean one if that is enough."""
    spans_s = np.diff(times_s)
    spans_s = spans_s[spans_s > 1 / HIGHEST_HZ]
    if not len(spans_s):
        return mean_hz
    # Times are told in whole milliseconds by some containers, so a regular film's spans differ a little.
    highest = 1 / float(np.quantile(spans_s, 0.1))
    return highest if highest > 1.1 * mean_hz else mean_hz


def _opened(path: Path) -> Any:
    capture = import_opencv("to read a video").VideoCapture(str(path))
    if not capture.isOpened():
        raise DataError(
            f"{path}: cannot be read as a video",
            expected="a whole video file of a kind that OpenCV reads",
            action="play it elsewhere to see whether it is whole, or convert it to MP4",
        )
    return capture


def _position_s(capture: Any) -> float:
    cv2 = import_opencv("to read a video")
    return float(capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000
