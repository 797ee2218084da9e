"""A camera that never makes its reader wait for old frames: a thread reads it, and only the newest waits."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Protocol, runtime_checkable

from edgefer_runtime.capture import OpenCvCamera, import_opencv
from edgefer_runtime.closing import Closing
from edgefer_runtime.errors import DeviceError, EdgeferError
from edgefer_runtime.shots import Image, Shot, now

__all__ = ["Camera", "Frames", "OpenCvCamera", "Shot", "Stamped", "import_opencv"]

RETRY_S = 0.5
POLL_S = 0.1
"""How often a reader that waits looks whether it is to go on waiting."""
CLOSING_S = HANGS_S = 0.5
"""How long the end of a camera is waited for; one that gave nothing for so long may hang in its driver."""


@runtime_checkable
class Stamped(Protocol):
    """A source that knows when its frames came."""

    def shots(self) -> Iterator[Shot]:
        """Frames with their times; opens the source anew."""


Frames = Stamped | Iterable[Image] | Callable[[], Image | None]
"""Where frames come from: an iterable, or a function that gives the next one, and None at the end."""


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
        until: asked ten times a second while a frame is waited for; iterating ends once it says so.

    A frame bears the time at which the thread got it, whenever it is handed out.
    """

    def __init__(
        self,
        frames: Frames,
        *,
        reconnect_s: float = 0.0,
        silence_s: float = 10.0,
        until: Callable[[], bool] = lambda: False,
    ) -> None:
        self._frames = frames if isinstance(frames, (Stamped, Iterable)) else _Calls(frames)
        self._reconnect_s, self._silence_s, self._until = reconnect_s, silence_s, until
        self._changed = threading.Condition()
        self._newest: Shot | None = None
        self._error: Exception | None = None
        self._over = False
        self.arrived = self.dropped = 0
        self._seen_s = -math.inf
        self._thread = threading.Thread(target=self._read, name="edgefer camera", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Shot]:
        return self

    def __next__(self) -> Shot:
        """Wait for the newest frame.

        Raises:
            StopIteration: the source has ended, this was closed, or ``until`` said so.
            DeviceError: the camera is lost, or silent; an error of the source is passed on as it is.
        """
        patience_s = self._silence_s + self._reconnect_s
        give_up_s = time.monotonic() + patience_s
        with self._changed:
            while not self._changed.wait_for(
                lambda: self._newest or self._over, min(POLL_S, max(0.0, give_up_s - time.monotonic()))
            ):
                if self._until():
                    raise StopIteration
                if time.monotonic() >= give_up_s:
                    raise DeviceError(
                        f"a camera that gave nothing for {patience_s:g} s",
                        expected="frames",
                        action="check its cable or network, or whether another program holds it",
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
            silent = time.monotonic() - self._seen_s > HANGS_S
        # A driver may hang in its read for good; the thread is a daemon and ends with the program at least.
        self._thread.join(POLL_S if silent else CLOSING_S)

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
        frames = self._frames.shots() if isinstance(self._frames, Stamped) else _stamped(self._frames)
        try:
            for shot in frames:
                with self._changed:
                    if self._over:
                        return
                    self.dropped += self._newest is not None
                    self._newest = replace(shot, number=self.arrived)
                    self._seen_s = time.monotonic()
                    self.arrived += 1
                    self._changed.notify_all()
        finally:
            if hasattr(frames, "close"):
                frames.close()  # a generator holds the device, and this thread is the one that opened it


def _stamped(images: Iterable[Image]) -> Iterator[Shot]:
    iterator = iter(images)
    try:
        for image in iterator:
            yield Shot(image, 0, *now())
    finally:
        if hasattr(iterator, "close"):
            iterator.close()


class _Calls:
    """A function of frames, to iterate over."""

    def __init__(self, read: Callable[[], Image | None]) -> None:
        self._read = read

    def __iter__(self) -> Iterator[Image]:
        while (image := self._read()) is not None:
            yield image


def _lost(error: Exception, waited_s: float) -> DeviceError:
    found = error.found if isinstance(error, EdgeferError) else str(error)
    return DeviceError(
        f"{found}, and did not come back within {waited_s:g} s",
        expected="a camera that stays",
        action="check its cable and power",
    )
