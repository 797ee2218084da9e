"""Cameras and network streams through OpenCV."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

from edgefer_runtime.errors import DeviceError, MissingError
from edgefer_runtime.redaction import redacted
from edgefer_runtime.shots import Image, Shot, now

URL = re.compile(r"(?i)[a-z][a-z0-9+.-]*://")
ANSWER_S = 10.0
"""How long a stream may take to open, and between two frames."""

PASSWORD_VARIABLE = "EDGEFER_CAMERA_PASSWORD"
"""Of the user that a stream's address names without one."""


class OpenCvCamera:
    """A camera, or a network stream, that OpenCV opens: iterate over it for its frames.

    Args:
        source: the camera's number, from 0; or a device's path, which may be a link such as
            ``/dev/v4l/by-id/...``; or a GStreamer pipeline; or a URL (``rtsp://...``). A URL with a user and
            without a password takes the one in the environment's ``EDGEFER_CAMERA_PASSWORD``. No message
            shows a password.
        width, height, hz: what to ask the camera for; it may give something else.
        answer_s: how long a stream may take to open, and between two frames (OpenCV with FFmpeg).
    """

    def __init__(
        self,
        source: int | str = 0,
        *,
        width: int | None = None,
        height: int | None = None,
        hz: float | None = None,
        answer_s: float = ANSWER_S,
    ) -> None:
        self._source, self._answer_s = source, answer_s
        self._name = f"camera {redacted(str(source))}"
        self._wishes = {"FRAME_WIDTH": width, "FRAME_HEIGHT": height, "FPS": hz}

    def __iter__(self) -> Iterator[Image]:
        """Frames, uint8, H x W x 3, RGB, from a device that is opened now and released in the end.

        Raises:
            MissingError: OpenCV is not installed.
            DeviceError: no such camera, or it is lost.
        """
        return (shot.image for shot in self.shots())

    def shots(self) -> Iterator[Shot]:
        """The same frames, each with the moment it came: before it is decoded and converted."""
        cv2 = import_opencv("to read a camera")
        capture = self._open(cv2)
        try:
            if not capture.isOpened():
                raise self._unopened()
            for name, value in self._wishes.items():
                if value is not None:
                    capture.set(getattr(cv2, f"CAP_PROP_{name}"), value)
            for number in count():
                there = capture.grab()
                time_s, captured_ns = now()
                if there:
                    there, image = capture.retrieve()
                if not there:
                    raise DeviceError(
                        f"{self._name} was lost",
                        expected="its next frame",
                        action="check its network" if self._is_url else "check its cable",
                    )
                yield Shot(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), number, time_s, captured_ns)
        finally:
            capture.release()

    @property
    def _is_url(self) -> bool:
        return isinstance(self._source, str) and bool(URL.match(self._source))

    def _open(self, cv2: Any) -> Any:
        source = self._source
        if not isinstance(source, str):
            return cv2.VideoCapture(source)
        if not self._is_url:
            # A link's own name tells OpenCV's Video4Linux reader nothing, and it may lead elsewhere by now.
            return cv2.VideoCapture(os.path.realpath(source) if Path(source).exists() else source)
        address = with_password(source, os.environ.get(PASSWORD_VARIABLE))
        if cv2.CAP_FFMPEG not in cv2.videoio_registry.getStreamBackends():
            return cv2.VideoCapture(address)
        answer_ms = max(1, round(self._answer_s * 1000))
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, answer_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC, answer_ms]
        return cv2.VideoCapture(address, cv2.CAP_FFMPEG, limits)

    def _unopened(self) -> DeviceError:
        """Why it may be that the camera cannot be opened, and what to do about it."""
        found, path = f"{self._name} cannot be opened", str(self._source)
        if self._is_url:
            return DeviceError(
                f"{found}: no answer that OpenCV can read",
                expected=f"a stream that answers within {self._answer_s:g} s and lets this user in",
                action="check host, port, path, user and password, and whether a player shows it from here",
            )
        if isinstance(self._source, int):
            action = "look for it with `ls -l /dev/video*`; camera 0 is the first one"
        elif " ! " in path:
            action = "try the pipeline with gst-launch-1.0; OpenCV has to be built with GStreamer"
        elif not Path(path).exists():
            found = f"{found}: it is not there"
            action = "look for it with `ls -l /dev/video* /dev/v4l/by-id/`"
        elif not os.access(path, os.R_OK | os.W_OK):
            found = f"{found}: this user may not read it"
            action = "run `sudo usermod -aG video $USER` and log in again"
        else:
            action = "end the program that holds it (`fuser -v` names it), or take the other /dev/video of it"
        return DeviceError(
            found, expected="a camera that this user may read and no other program holds", action=action
        )


def is_device(path: str) -> bool:
    """Whether this is where a camera is, or would be if it were plugged in: ``/dev/video0``, udev's names.

    Links count as what they lead to.
    """
    place = Path(path)
    if place.exists():
        return place.is_char_device()
    return path.startswith("/dev/v4l/") or place.parent == Path("/dev")


def with_password(address: str, password: str | None) -> str:
    """``address`` with the password of the user it names, if it names one and has none."""
    scheme, mark, rest = address.partition("://")
    authority, slash, path = rest.partition("/")
    user, at, host = authority.rpartition("@")
    if not (password and at and ":" not in user):
        return address
    return f"{scheme}{mark}{user}:{quote(password, safe='')}@{host}{slash}{path}"


def import_opencv(purpose: str) -> Any:
    """The module ``cv2``.

    Unless the environment says otherwise, it and its FFmpeg are told to be silent: what they write about a
    stream may hold its password, and of a damaged video they write thousands of lines.

    Args:
        purpose: what it is needed for, in words.

    Raises:
        MissingError: it is not installed.
    """
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    try:
        import cv2
    except ImportError as error:
        raise MissingError(
            f"OpenCV is not installed ({error})",
            expected=f"OpenCV, {purpose}",
            action='pip install "edgefer-runtime[camera]"',
        ) from error
    return cv2
