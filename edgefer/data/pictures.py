"""One face's pixels, wherever they are kept: in a picture file or in a csv file's row."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgefer_runtime.errors import DataError
from edgefer_runtime.pictures import picture_size, read_picture

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels."""


class Picture(Protocol):
    """A picture that has not been read yet."""

    @property
    def name(self) -> str:
        """What messages call it."""

    def size(self) -> tuple[int, int]:
        """Width and height.

        Raises:
            DataError: it cannot be read.
        """

    def pixels(self, width: int, height: int) -> NDArray[np.uint8]:
        """RGB, uint8 ``height`` x ``width`` x 3, resized (bilinear, antialiased) where it has another size.

        Raises:
            DataError: it cannot be read.
        """

    def stamp(self) -> str:
        """Changes when the picture does."""


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A picture file, read as :mod:`edgefer_runtime.pictures` does.

    Attributes:
        path: PNG, JPEG, TIFF or what else Pillow reads.
        box: the part of it that is the face, as far as it lies within the picture.
    """

    path: Path
    box: Box | None = None

    @property
    def name(self) -> str:
        """The path."""
        return str(self.path)

    def size(self) -> tuple[int, int]:
        """Width and height of the box, or of the picture once it is upright."""
        left, top, right, bottom = self._face(*picture_size(self.path))
        return right - left, bottom - top

    def pixels(self, width: int, height: int) -> NDArray[np.uint8]:
        """RGB, uint8 ``height`` x ``width`` x 3."""
        image = read_picture(self.path)
        left, top, right, bottom = self._face(image.shape[1], image.shape[0])
        return _resized(image[top:bottom, left:right], width, height)

    def stamp(self) -> str:
        """Path, box, size and times of change: of the content, which can be set, and of the file's entry."""
        status = self.path.stat()
        times = f"{status.st_mtime_ns} {status.st_ctime_ns}"
        return f"{self.path.absolute()} {self.box} {status.st_size} {times}"

    def _face(self, width: int, height: int) -> Box:
        """The box within a picture of that size: a list that asks for a billion pixels gets no more."""
        left, top, right, bottom = self.box or (0, 0, width, height)
        box = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
        if box[0] >= box[2] or box[1] >= box[3]:
            raise DataError(
                f"{self.path}: the face's box {self.box} is not in its {width} x {height} pixels",
                expected="left, top, right, bottom in pixels of the picture",
                action="mend the list",
            )
        return box


@dataclass(frozen=True, slots=True)
class PixelRow:
    """A square grey picture, as FER2013's csv file holds it.

    Attributes:
        name: where it is from.
        grey: ``side`` x ``side`` bytes, row by row.
        side: pixels.
    """

    name: str
    grey: bytes
    side: int

    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.side, self.side

    def pixels(self, width: int, height: int) -> NDArray[np.uint8]:
        """RGB, uint8 ``height`` x ``width`` x 3."""
        grey = np.frombuffer(self.grey, np.uint8).reshape(self.side, self.side)
        return _resized(np.repeat(grey[..., None], 3, axis=-1), width, height)

    def stamp(self) -> str:
        """Name and pixels."""
        return f"{self.name} {self.grey.hex()}"


def _resized(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    if image.shape[:2] == (height, width):
        return image
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
