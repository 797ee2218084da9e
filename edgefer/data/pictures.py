"""One face's pixels, wherever they are kept: in a picture file or in a csv file's row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from edgefer_runtime.errors import DataError

QUARTER_TURNS = (5, 6, 7, 8)
"""EXIF orientations in which the stored picture lies on its side."""
DEEP_MODES = ("I", "F")
"""Pillow's modes of more than 8 bits a channel, which it would clip rather than scale."""

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
    """A picture file, upright as its EXIF orientation says.

    Attributes:
        path: PNG, JPEG, TIFF or what else Pillow reads with 8 bits a channel.
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
        with self._opened() as image:
            turned = image.getexif().get(ExifTags.Base.Orientation) in QUARTER_TURNS
            left, top, right, bottom = self._face(*(image.size[::-1] if turned else image.size))
            return right - left, bottom - top

    def pixels(self, width: int, height: int) -> NDArray[np.uint8]:
        """RGB, uint8 ``height`` x ``width`` x 3."""
        with self._opened() as image:
            if image.mode.startswith(DEEP_MODES):
                raise ValueError(f"pixels of kind {image.mode}")
            upright = ImageOps.exif_transpose(image).convert("RGB")
            return _resized(upright.crop(self._face(*upright.size)), width, height)

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
            raise ValueError(f"the face's box {self.box} is not in its {width} x {height} pixels")
        return box

    @contextmanager
    def _opened(self) -> Iterator[Image.Image]:
        """The opened picture; whatever goes wrong while it is read is a DataError that names the file."""
        try:
            with Image.open(self.path) as image:
                yield image
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise DataError(
                f"{self.path} cannot be read as a picture ({error})",
                expected="a PNG, JPEG, WebP or other picture with 8 bits a channel",
                action="mend the file or move it out of the folder",
            ) from error


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
        image = Image.frombytes("L", (self.side, self.side), self.grey)
        return _resized(image.convert("RGB"), width, height)

    def stamp(self) -> str:
        """Name and pixels."""
        return f"{self.name} {self.grey.hex()}"


def _resized(image: Image.Image, width: int, height: int) -> NDArray[np.uint8]:
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image)
