"""JSON lines that are safe to the last one: each is written whole, at once, and stays."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from edgefer.pipeline.footage import Frame
from edgefer_runtime.closing import Closing
from edgefer_runtime.errors import DataError
from edgefer_runtime.files import sibling, unwritable
from edgefer_runtime.messages.schema import FacesMessage, encode_faces

SYNC_S = 1.0
"""What a power cut may cost."""


class JsonLines(Closing):
    """A file that grows by a line a frame.

    It takes the place of an older one of its name with its first line. Each line is handed to the system as
    one piece, so that a killed program leaves whole lines, and brought to the disk about once a second.

    Raises:
        DataError: the folder cannot be written to; when adding, a full disk, with what was written kept.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._file = path, -1
        self._size, self._lines, self._synced_s = 0, 0, 0.0
        self._beside = sibling(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o666)
        except OSError as error:
            raise unwritable(path, error) from error

    def add(self, frame: Frame, message: FacesMessage, draw: Callable[[], object]) -> None:
        """Append a frame's message."""
        line = encode_faces(message) + b"\n"
        try:
            written = 0
            while written < len(line):
                written += os.write(self._file, line[written:])
            if not self._lines:
                self._beside.replace(self._path)
            self._size, self._lines = self._size + len(line), self._lines + 1
            if time.monotonic() - self._synced_s > SYNC_S:
                self._sync()
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise _full(self._path, error, self._lines) from error

    def close(self) -> None:
        """Bring all to the disk; without a line nothing is left."""
        file, self._file = self._file, -1
        if file < 0:
            return
        if self._lines:
            with suppress(OSError):
                os.fsync(file)
        else:
            self._beside.unlink(missing_ok=True)
        os.close(file)

    def _sync(self) -> None:
        with suppress(OSError):  # pipes and some network drives know no such thing
            os.fsync(self._file)
        self._synced_s = time.monotonic()


class StandardOutput:
    """JSON lines on standard output, each at once."""

    def __init__(self) -> None:
        self._lines = 0

    def add(self, frame: Frame, message: FacesMessage, draw: Callable[[], object]) -> None:
        """Write a frame's message.

        Raises:
            DataError: a full disk behind it.
            BrokenPipeError: who read it has left.
        """
        try:
            sys.stdout.buffer.write(encode_faces(message) + b"\n")
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            # Python would try the same bytes once more as it ends, and fail in its own words.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise _full("standard output", error, self._lines) from error
        self._lines += 1


def _full(name: Path | str, error: OSError, lines: int) -> DataError:
    return DataError(
        f"{name}: cannot be written ({error.strerror or error})",
        expected="a disk with enough free space",
        action=f"free space; the first {lines:,} lines are whole and stay",
    )
