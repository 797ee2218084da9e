"""A camera that never makes its reader wait for old frames: a thread reads it, and only the newest waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.closing import Closing
from edgefer_runtime.errors import DeviceError, EdgeferError, MissingError

RETRY_S = 0.5
CLOSING_S = 2.0

Image = NDArray[np.uint8]
Frames = Iterable[Image] | Callable[[], Image | None]
"""Where frames come from: an iterable, or a function that gives the next one, and None at the end."""


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One frame of a camera.

    Attributes:
        image: uint8, H x W x 3, RGB.
        number: of all that arrived, from 0; where it skips, frames were dropped.
        time_s: when it arrived, ``time.monotonic()``.
    """

    image: Image
    number: int
    time_s: float


class Camera(Closing):
    """Frames as they come, read by a thread of its own; iterating gives the newest, and drops older ones.

        with Camera(OpenCvCamera(0)) as camera:
            for shot in camera:
                faces = analyzer(shot.image, time_s=shot.time_s)

    A reader that is slower than the camera thus lags by one frame at most. The loop ends when the source
    does; :meth:`close`, from any thread, ends it too.

    Args:
        frames: the source. Iterating over it again opens it again, if it can be.
        reconnect_s: for how long a lost camera is tried again, every half a second; 0 for not at all.
        silence_s: how long a camera may give nothing before it counts as dead.
    """

    def __init__(self, frames: Frames, *, reconnect_s: float = 0.0, silence_s: float = 10.0) -> None:
        self._frames = frames if isinstance(frames, Iterable) else _Calls(frames)
        self._reconnect_s, self._silence_s = reconnect_s, silence_s
        self._changed = threading.Condition()
        self._newest: Shot | None = None
        self._error: Exception | None = None
        self._over = False
        self.arrived = self.dropped = 0
        self._thread = threading.Thread(target=self._read, name="edgefer camera", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Shot]:
        return self

    def __next__(self) -> Shot:
        """Wait for the newest frame.

        Raises:
            StopIteration: the source has ended, or this was closed.
            DeviceError: the camera is lost, or silent; an error of the source is passed on as it is.
        """
        with self._changed:
            if not self._changed.wait_for(
                lambda: self._newest or self._over, self._silence_s + self._reconnect_s
            ):
                raise DeviceError(
                    f"a camera that gave nothing for {self._silence_s + self._reconnect_s:g} s",
                    expected="frames",
                    action="check its cable, or whether another program holds it",
                )
            shot, self._newest = self._newest, None
            if shot:
                return shot
            if self._error:
                raise self._error
            raise StopIteration

    def close(self) -> None:
        """Stop reading and let go of the camera."""
        with self._changed:
            self._over, self._newest = True, None
            self._changed.notify_all()
        # A driver may hang in its read for good; the thread is a daemon and ends with the program at least.
        self._thread.join(CLOSING_S)

    def _read(self) -> None:
        error: Exception | None = None
        try:
            while not self._over:
                before = self.arrived
                try:
                    self._read_once()
                    break
                except (DeviceError, OSError) as lost:
                    # A camera that never gave a frame is no lost one: that is told at once.
                    if not self.arrived or not self._reconnect_s:
                        raise
                    if self.arrived > before:
                        give_up_s = time.monotonic() + self._reconnect_s
                    if time.monotonic() > give_up_s:
                        raise _lost(lost, self._reconnect_s) from lost
                    with self._changed:
                        self._changed.wait_for(lambda: self._over, RETRY_S)
        except Exception as caught:
            error = caught
        with self._changed:
            self._over, self._error = True, error
            self._changed.notify_all()

    def _read_once(self) -> None:
        """Hand over frames until the source ends."""
        frames = iter(self._frames)
        try:
            for image in frames:
                with self._changed:
                    if self._over:
                        return
                    self.dropped += self._newest is not None
                    self._newest = Shot(image, self.arrived, time.monotonic())
                    self.arrived += 1
                    self._changed.notify_all()
        finally:
            if isinstance(frames, Iterator) and hasattr(frames, "close"):
                frames.close()  # a generator holds the device, and this thread is the one that opened it


class _Calls:
    """A function of frames, to iterate over."""

    def __init__(self, read: Callable[[], Image | None]) -> None:
        self._read = read

    def __iter__(self) -> Iterator[Image]:
        while (image := self._read()) is not None:
            yield image


class OpenCvCamera:
    """A camera, or a network stream, that OpenCV opens: iterate over it for its frames.

    Args:
        source: the camera's number, from 0; or a device's path, or a URL (``rtsp://...``).
        width, height, hz: what to ask the camera for; it may give something else.
    """

    def __init__(
        self,
        source: int | str = 0,
        *,
        width: int | None = None,
        height: int | None = None,
        hz: float | None = None,
    ) -> None:
        self._source = source
        self._wishes = {"FRAME_WIDTH": width, "FRAME_HEIGHT": height, "FPS": hz}

    def __iter__(self) -> Iterator[Image]:
        """Frames, uint8, H x W x 3, RGB, from a device that is opened now and released in the end.

        Raises:
            MissingError: OpenCV is not installed.
            DeviceError: no such camera, or it is lost.
        """
        cv2 = import_opencv("to read a camera")
        capture = cv2.VideoCapture(self._source)
        try:
            if not capture.isOpened():
                raise DeviceError(
                    f"camera {self._source} cannot be opened",
                    expected="a camera that this user may read and no other program holds",
                    action="look for it with `ls -l /dev/video*`; camera 0 is the first one",
                )
            for name, value in self._wishes.items():
                if value is not None:
                    capture.set(getattr(cv2, f"CAP_PROP_{name}"), value)
            while True:
                there, image = capture.read()
                if not there:
                    raise DeviceError(
                        f"camera {self._source} was lost", expected="its next frame", action="check its cable"
                    )
                yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        finally:
            capture.release()


def import_opencv(purpose: str) -> Any:
    """The module ``cv2``.

    Args:
        purpose: what it is needed for, in words.

    Raises:
        MissingError: it is not installed.
    """
    try:
        import cv2
    except ImportError as error:
        raise MissingError(
            f"OpenCV is not installed ({error})",
            expected=f"OpenCV, {purpose}",
            action='pip install "edgefer-runtime[camera]"',
        ) from error
    return cv2


def _lost(error: Exception, waited_s: float) -> DeviceError:
    found = error.found if isinstance(error, EdgeferError) else str(error)
    return DeviceError(
        f"{found}, and did not come back within {waited_s:g} s",
        expected="a camera that stays",
        action="check its cable and power",
    )
