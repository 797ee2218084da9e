"""What `edgefer run` writes: a video, pictures or JSON lines, each whole even when it was interrupted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgefer.pipeline.footage import Footage, Frame
from edgefer.pipeline.json_lines import JsonLines, StandardOutput
from edgefer_runtime.camera import import_opencv
from edgefer_runtime.errors import DataError, UsageError
from edgefer_runtime.files import replacing, replacing_folder, require_writable
from edgefer_runtime.messages.schema import FacesMessage

CODECS = {".mp4": "mp4v", ".mov": "mp4v", ".mkv": "mp4v", ".avi": "MJPG", ".webm": "VP80"}
"""What OpenCV's packages can write everywhere."""
PICTURES = (".png", ".jpg", ".jpeg", ".webp")
JSON_LINES = ".jsonl"
STANDARD_OUTPUT = Path("-")
LATE = 2

Draw = Callable[[], NDArray[np.uint8]]
"""The frame with its faces drawn over it."""


class Recording(Protocol):
    """Takes what was seen, frame by frame."""

    def add(self, frame: Frame, message: FacesMessage, draw: Draw) -> None:
        """Take a frame, its faces, and what draws them."""


@contextmanager
def record(path: Path, footage: Footage) -> Iterator[Recording]:
    """A recording at ``path``; it is there, whole, once the block has ended well, and not at all else.

    JSON lines alone are there from the first one on, to the last whole one, however the program ends.

    Args:
        path: its ending says what it is: a video, a picture, JSON lines; none is a folder of pictures, and
            ``-`` JSON lines on standard output.
        footage: what is recorded.

    Raises:
        UsageError: an ending that is none of these, a picture of many frames, a video of loose pictures, a
            folder that holds something already, or the footage itself.
        DataError: it cannot be written: the disk is full; or frames of a video change their size.
        MissingError: a video, and OpenCV is not installed.
    """
    require_output(path, footage)
    if path == STANDARD_OUTPUT:
        yield StandardOutput()
    elif path.suffix == JSON_LINES:
        with JsonLines(path) as lines:
            yield lines
    elif path.suffix in CODECS:
        with replacing(path) as temporary:
            yield (video := _Video(temporary, path, footage.hz or 0))
            video.finish()
    elif path.suffix in PICTURES:
        with replacing(path) as temporary:
            yield _Pictures(lambda frame: temporary)
    else:
        with replacing_folder(path) as folder:
            yield _Pictures(
                lambda frame: folder / (frame.id if isinstance(frame.id, str) else f"{frame.id:06}.jpg")
            )


def require_output(path: Path, footage: Footage) -> None:
    """Notice before the work what would stop the recording after it.

    Raises:
        UsageError, MissingError: as :func:`record`.
    """
    require_place(path)
    if path == STANDARD_OUTPUT:
        return
    ending = path.suffix
    if ending in CODECS:
        import_opencv("to write a video; a folder of pictures needs none")
        if footage.hz is None:
            raise UsageError(f"-o {path}: a video of pictures that are no film", expected="a folder, or --hz")
    if ending in PICTURES and footage.total != 1:
        raise UsageError(f"-o {path}: one picture for many frames", expected="a folder, or a video")
    if Path(footage.name).exists() and path.resolve() == Path(footage.name).resolve():
        raise UsageError(f"-o {path}: what is to be read", expected="another name")
    if not ending and path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise UsageError(f"-o {path}: it is there already", expected="a new or empty folder")


def require_place(path: Path) -> None:
    """Notice of the output alone, before anything is opened, what would stop the recording.

    Raises:
        UsageError: an ending that is none.
        DataError: nothing can be written there.
    """
    if path == STANDARD_OUTPUT:
        return
    if path.suffix and path.suffix not in (JSON_LINES, *CODECS, *PICTURES):
        raise UsageError(
            f"-o {path}",
            expected=f"a name that ends in {', '.join((JSON_LINES, *CODECS, *PICTURES))}, or a folder",
        )
    require_writable(path, folder=not path.suffix)


class _Pictures:
    def __init__(self, name: Callable[[Frame], Path]) -> None:
        self._name = name

    def add(self, frame: Frame, message: FacesMessage, draw: Draw) -> None:
        from PIL import Image

        path = self._name(frame)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw()).save(path, quality=92)


class _Video:
    """Frames at their times, as near as the film's own steady rate comes.

    A frame stays on the screen until the next: what was dropped leaves the film's pace as it was. Each frame
    gets a place of its own unless the film falls behind by more than ``LATE`` of them.
    """

    def __init__(self, file: Path, path: Path, hz: float) -> None:
        self._cv2 = import_opencv("to write a video")
        self._file, self._path, self._hz = file, path, hz
        self._writer: Any = None
        self._size = (0, 0)
        self._begin_s = 0.0
        self._written = 0

    def add(self, frame: Frame, message: FacesMessage, draw: Draw) -> None:
        height, width = frame.image.shape[:2]
        time_s = frame.time_s or 0.0
        if self._writer is None:
            self._size, self._begin_s = (width, height), time_s
            codec = self._cv2.VideoWriter_fourcc(*CODECS[self._file.suffix])
            self._writer = self._cv2.VideoWriter(str(self._file), codec, self._hz, self._size)
        if (width, height) != self._size:
            raise DataError(
                f"frame {frame.id} of {width} x {height} pixels",
                expected=f"{self._size[0]} x {self._size[1]}, as the frames before it have",
                action="write into a folder instead",
            )
        picture = self._cv2.cvtColor(draw(), self._cv2.COLOR_RGB2BGR)
        places = round((time_s - self._begin_s) * self._hz) + 1 - self._written
        if places < 1 and places > -LATE:
            places = 1
        for _ in range(places):
            self._writer.write(picture)
            self._written += 1

    def finish(self) -> None:
        """Close the file and look whether all of it is there: OpenCV tells of no full disk."""
        self._writer.release()
        written = self._cv2.VideoCapture(str(self._file))
        count = int(written.get(self._cv2.CAP_PROP_FRAME_COUNT)) if written.isOpened() else 0
        written.release()
        if count < self._written:
            raise DataError(
                f"{self._path}: a video of {count} frames, of {self._written} that were written",
                expected="a disk with enough free space, and frames that OpenCV can encode",
                action="free space, or write into a folder; nothing half-written is left",
            )
