"""What `edgefer run` looks at: pictures, animations, videos and cameras, all as frames one after another."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer.data.files import PICTURE_ENDINGS, picture_files
from edgefer_runtime.camera import OpenCvCamera, import_opencv
from edgefer_runtime.errors import DataError, UsageError
from edgefer_runtime.images import load_image
from edgefer_runtime.pictures import film_frames, is_film

VIDEO_ENDINGS = (".mp4", ".m4v", ".mov", ".mkv", ".avi", ".webm", ".mpg", ".mpeg", ".ts", ".y4m")
CAMERA = re.compile(r"camera(?::(?P<number>\d+))?|(?P<address>(?:rtsp|rtmp|https?|udp)://.+|/dev/video\d+)")
USUAL_HZ = 30.0
"""Of a film that does not tell."""

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One frame.

    Attributes:
        image: uint8, H x W x 3, RGB.
        id: its number, from 0, or the picture's path within its folder.
        time_s: since the film began, or a camera's ``time.monotonic()``; None for a picture of its own.
        captured_ns: nanoseconds since 1970 when it was taken: a picture file's own time; in a film, its time
            since the beginning.
    """

    image: Image
    id: int | str
    time_s: float | None
    captured_ns: int


@dataclass(frozen=True)
class Footage:
    """Frames to look at.

    Attributes:
        name: as the user gave it.
        frames: opens it anew and yields each frame.
        hz: frames a second; None where pictures have nothing to do with each other.
        total: how many frames there are, as far as is known.
        is_camera: whether frames come by themselves, when they come.
    """

    name: str
    frames: Callable[[], Iterator[Frame]]
    hz: float | None = None
    total: int | None = None
    is_camera: bool = False


def find_footage(source: str, hz: float | None = None) -> Footage:
    """What the user named.

    Args:
        source: a picture, an animation, a video, a folder of pictures, ``camera``, ``camera:1``, a device or
            a stream's address.
        hz: frames a second of a folder whose pictures are a film's; also what to ask a camera for.

    Raises:
        UsageError: there is nothing of that name, or ``hz`` is given for what has its own.
        DataError: it cannot be read, or holds no pictures.
        MissingError: OpenCV is needed and not installed.
    """
    if asked := CAMERA.fullmatch(source):
        return _camera(source, OpenCvCamera(asked["address"] or int(asked["number"] or 0), hz=hz), hz)
    path = Path(source)
    if path.is_dir():
        return _folder(source, path, hz)
    if not path.exists():
        raise UsageError(
            f"{source}: no such file or folder", expected="a picture, folder, video or animation, or `camera`"
        )
    if hz is not None:
        raise UsageError(
            f"--hz {hz:g} for {source}", expected="it with a folder of a film's pictures, or a camera"
        )
    if path.suffix.lower() in VIDEO_ENDINGS:
        return _video(source, path)
    return _picture(source, path)


class Playback:
    """The images of footage, when a camera would have given them; each iteration begins anew."""

    def __init__(self, footage: Footage) -> None:
        self._footage = footage

    def __iter__(self) -> Iterator[Image]:
        begin_s = time.monotonic()
        for frame in self._footage.frames():
            if not self._footage.is_camera and frame.time_s is not None:
                time.sleep(max(0.0, begin_s + frame.time_s - time.monotonic()))
            yield frame.image


def _camera(source: str, camera: OpenCvCamera, hz: float | None) -> Footage:
    def frames() -> Iterator[Frame]:
        for number, image in enumerate(camera):
            yield Frame(image, number, time.monotonic(), time.time_ns())

    return Footage(source, frames, hz or USUAL_HZ, is_camera=True)


def _folder(source: str, path: Path, hz: float | None) -> Footage:
    paths = list(picture_files(path))
    if not paths:
        raise DataError(
            f"{source} holds no pictures",
            expected=f"files that end in {', '.join(PICTURE_ENDINGS)}",
            action="name the folder that holds them",
        )

    def frames() -> Iterator[Frame]:
        for number, picture in enumerate(paths):
            name, image = picture.relative_to(path).as_posix(), load_image(picture)
            yield _still(picture, image, name) if hz is None else _of_film(image, number, number / hz)

    return Footage(source, frames, hz, len(paths))


def _picture(source: str, path: Path) -> Footage:
    """A picture file, which may be an animation."""
    if not is_film(path):
        photo = load_image(path)  # tells what is wrong with the file, if anything
        return Footage(source, lambda: iter([_still(path, photo, path.name)]), total=1)
    durations_s = [shown_s for _, shown_s in film_frames(path)]
    begins_s = np.concatenate([[0.0], np.cumsum(durations_s)])

    def frames() -> Iterator[Frame]:
        for number, (image, _) in enumerate(film_frames(path)):
            yield _of_film(image, number, float(begins_s[number]))

    return Footage(source, frames, len(durations_s) / sum(durations_s), len(durations_s))


def _video(source: str, path: Path) -> Footage:
    cv2 = import_opencv("to read a video; GIF, WebP and folders of pictures need none")

    def opened() -> Any:
        capture = cv2.VideoCapture(str(path))
        if not capture.isOpened():
            raise DataError(
                f"{path}: cannot be read as a video",
                expected="a whole video file of a kind that OpenCV reads",
                action="play it elsewhere to see whether it is whole, or convert it to MP4",
            )
        return capture

    capture = opened()
    hz = capture.get(cv2.CAP_PROP_FPS) or USUAL_HZ
    total = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    capture.release()

    def frames() -> Iterator[Frame]:
        capture = opened()
        try:
            number = 0
            while (read := capture.read())[0]:
                yield _of_film(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB), number, number / hz)
                number += 1
        finally:
            capture.release()
        if not number:
            raise DataError(f"{path}: a video without frames", action="record it again")

    return Footage(source, frames, hz, total if total > 0 else None)


def _still(path: Path, image: Image, name: str) -> Frame:
    return Frame(image, name, None, path.stat().st_mtime_ns)


def _of_film(image: Image, number: int, time_s: float) -> Frame:
    return Frame(image, number, time_s, round(time_s * 1e9))
