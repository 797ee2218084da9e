"""What `edgefer run` looks at: pictures, animations, videos and cameras, all as frames one after another."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgefer.data.files import PICTURE_ENDINGS, picture_files
from edgefer.pipeline.video import USUAL_HZ, Video, grid_hz
from edgefer_runtime.camera import OpenCvCamera
from edgefer_runtime.capture import is_device
from edgefer_runtime.errors import DataError, UsageError
from edgefer_runtime.images import load_image
from edgefer_runtime.pictures import film_frames, is_film
from edgefer_runtime.redaction import redacted
from edgefer_runtime.shots import Image, Shot, now

VIDEO_ENDINGS = (".mp4", ".m4v", ".mov", ".mkv", ".avi", ".webm", ".mpg", ".mpeg", ".ts", ".y4m")
CAMERA = re.compile(
    r"camera(?::(?P<number>\d+))?|(?P<address>(?i:rtsps?|rtmps?|https?|udp|tcp|rtp|srt)://.+)", re.DOTALL
)


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One frame.

    Attributes:
        image: uint8, H x W x 3, RGB.
        id: its number, from 0, or the picture's path within its folder.
        time_s: since the film began, or a camera's ``time.monotonic()``; None for a picture of its own.
        captured_ns: nanoseconds since 1970 when it was taken: a picture file's own time, a camera's frame's
            arrival; in a film, its time since the beginning.
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
        hz: frames a second, at least nearly as many as in its fastest part; None where pictures have nothing
            to do with each other.
        total: how many frames there are, as far as is known.
        is_camera: whether frames come by themselves, when they come.
        times: where those of the frames come from: ``"container"``, ``"arrival"``, ``"--hz"``, or the
            ``"mean rate"`` of a film that tells no more; None for pictures that stand alone.
    """

    name: str
    frames: Callable[[], Iterator[Frame]]
    hz: float | None = None
    total: int | None = None
    is_camera: bool = False
    times: str | None = None


def find_footage(source: str, hz: float | None = None) -> Footage:
    """What the user named.

    Args:
        source: a picture, an animation, a video, a folder of pictures, ``camera``, ``camera:1``, a device (by
            udev's names and other links, too) or a stream's address.
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
    if is_device(source):
        return _camera(source, OpenCvCamera(source, hz=hz), hz)
    if not path.exists():
        raise UsageError(
            f"{redacted(source)}: no such file or folder",
            expected="a picture, folder, video or animation, `camera`, or the address of a stream",
            action="look at the spelling; streams begin with rtsp://, http:// and the like",
        )
    if hz is not None:
        raise UsageError(
            f"--hz {hz:g} for {source}", expected="it with a folder of a film's pictures, or a camera"
        )
    if path.suffix.lower() in VIDEO_ENDINGS:
        return _video(source, path)
    return _picture(source, path)


class Playback:
    """The frames of footage, when a camera would have given them; a camera's own when it did."""

    def __init__(self, footage: Footage) -> None:
        self._footage = footage

    def shots(self) -> Iterator[Shot]:
        """From the beginning."""
        begin_s = time.monotonic()
        for number, frame in enumerate(self._footage.frames()):
            if self._footage.is_camera and frame.time_s is not None:
                yield Shot(frame.image, number, frame.time_s, frame.captured_ns)
            else:
                time.sleep(max(0.0, begin_s + (frame.time_s or 0.0) - time.monotonic()))
                yield Shot(frame.image, number, *now())


def _camera(source: str, camera: OpenCvCamera, hz: float | None) -> Footage:
    def frames() -> Iterator[Frame]:
        for shot in camera.shots():
            yield Frame(shot.image, shot.number, shot.time_s, shot.captured_ns)

    return Footage(redacted(source), frames, hz or USUAL_HZ, is_camera=True, times="arrival")


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

    return Footage(source, frames, hz, len(paths), times=None if hz is None else "--hz")


def _picture(source: str, path: Path) -> Footage:
    """A picture file, which may be an animation."""
    if not is_film(path):
        photo = load_image(path)  # tells what is wrong with the file, if anything
        return Footage(source, lambda: iter([_still(path, photo, path.name)]), total=1)
    durations_s = [shown_s for _, shown_s in film_frames(path)]
    times_s = np.concatenate([[0.0], np.cumsum(durations_s)])

    def frames() -> Iterator[Frame]:
        for number, (image, _) in enumerate(film_frames(path)):
            yield _of_film(image, number, float(times_s[number]))

    hz = grid_hz(times_s, len(durations_s) / float(times_s[-1]))
    return Footage(source, frames, hz, len(durations_s), times="container")


def _video(source: str, path: Path) -> Footage:
    video = Video.open(path)

    def frames() -> Iterator[Frame]:
        for number, (image, time_s) in enumerate(video.frames()):
            yield _of_film(image, number, time_s)

    times = "container" if video.has_times else "mean rate"
    return Footage(source, frames, video.grid_hz, video.total, times=times)


def _still(path: Path, image: Image, name: str) -> Frame:
    return Frame(image, name, None, path.stat().st_mtime_ns)


def _of_film(image: Image, number: int, time_s: float) -> Frame:
    return Frame(image, number, time_s, round(time_s * 1e9))
