"""The one reader of picture files: whatever a file holds becomes a uint8 RGB image, upright, or an error.

Every door reads through here, so that a picture gives the same image everywhere:

- Pixels of every kind become those of its 8-bit version, or are refused (:mod:`edgefer_runtime.pixels`).
- Orientation is as EXIF says, or XMP, in whatever kind of file.
- Sizes are looked at in the file's head, before a pixel is decoded.
- Only animations (GIF, APNG, WebP, AVIF, FLI) are films. Further frames of other files are previews, depth
  maps and pages: the first frame is the photo.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.errors import DataError, EdgeferError, MissingError
from edgefer_runtime.memory import give_back_memory
from edgefer_runtime.pixels import Image, rgb

LARGE_BYTES = 8 << 20
"""Of an image after which memory is given back at once."""
NETWORK_FORMATS = ("JPEG", "PNG", "WEBP")
FILM_FORMATS = ("GIF", "PNG", "WEBP", "AVIF", "FLI")
"""Whose frames follow each other in time."""
SHORTEST_FRAME_S, USUAL_FRAME_S = 0.01, 0.1
"""A frame that is to be shown no longer than the first, or does not say, is shown as long as the second:
what browsers do."""

WIDTH, HEIGHT, ORIENTATION = 256, 257, 274
"""Tags of TIFF; the last is EXIF's, too."""
TURNS: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: image.swapaxes(0, 1)[:, ::-1],
    7: lambda image: image[::-1, ::-1].swapaxes(0, 1),
    8: lambda image: image.swapaxes(0, 1)[::-1],
}
"""EXIF orientation -> what makes the picture upright."""
QUARTER_TURNS = (5, 6, 7, 8)


class TooLargeError(DataError):
    """A picture of more pixels than its limits allow."""


@dataclass(frozen=True)
class PictureLimits:
    """What is refused by its head.

    Attributes:
        pixels: in all.
        side: of the longer side: a picture of one column takes more memory than its pixels.
    """

    pixels: int
    side: int


FILE_LIMITS = PictureLimits(pixels=178_956_970, side=65_535)
"""Of the user's own files: Pillow's limit, which it looks at itself, and that of a JPEG's side."""
NETWORK_LIMITS = PictureLimits(pixels=1 << 26, side=16_384)
"""Of a picture that came over a network: 192 MiB once it is decoded."""


def read_picture(
    source: str | Path | bytes,
    *,
    limits: PictureLimits = FILE_LIMITS,
    formats: tuple[str, ...] | None = None,
) -> Image:
    """The photo in a file, or the first frame of a film.

    Args:
        source: a file's path, or its content.
        limits: larger ones are refused before any pixel is decoded.
        formats: Pillow's names of the kinds that are read; None for all.

    Returns:
        uint8, H x W x 3, RGB, upright.

    Raises:
        TooLargeError: larger than ``limits``; also a DataError.
        DataError: missing, damaged, of another kind, or of pixels of which nobody knows what
            white is.
        MissingError: Pillow is not installed.
    """
    pixels = _read(source, limits, formats)
    if pixels.nbytes > LARGE_BYTES:
        give_back_memory()
    return pixels


def picture_size(path: str | Path, *, limits: PictureLimits = FILE_LIMITS) -> tuple[int, int]:
    """Width and height of the photo in a file, once it is upright; as a rule no pixel is decoded.

    Raises:
        DataError, MissingError: as :func:`read_picture`.
    """
    with _opened(path, limits, None) as image:
        width, height = image.size
        if tags := getattr(image, "tag_v2", None):  # of a TIFF some versions of Pillow give the upright size
            width, height = tags[WIDTH], tags[HEIGHT]
        return (height, width) if _orientation(image) in QUARTER_TURNS else (width, height)


def is_film(path: str | Path) -> bool:
    """Whether a picture file is an animation of more than one frame.

    Raises:
        DataError, MissingError: as :func:`read_picture`.
    """
    with _opened(path, FILE_LIMITS, None) as image:
        return _frame_numbers(image).stop - _frame_numbers(image).start > 1


def film_frames(path: str | Path) -> Iterator[tuple[Image, float]]:
    """The frames of an animation: uint8, H x W x 3, RGB, and for how many seconds each is shown.

    Raises:
        DataError: it is damaged, or ends before its last frame.
    """
    with _opened(path, FILE_LIMITS, None) as image:
        orientation = _orientation(image)
        for number in _frame_numbers(image):
            image.seek(number)
            pixels = _upright(rgb(image, _name(path)), orientation)
            shown_s = float(image.info.get("duration") or 0) / 1000
            yield pixels, shown_s if shown_s > SHORTEST_FRAME_S else USUAL_FRAME_S


def require_pillow(purpose: str) -> None:
    """Notice that Pillow is missing before it is needed ``purpose``, as in "to draw".

    Raises:
        MissingError: it is not installed.
    """
    try:
        import PIL.Image  # noqa: F401
    except ImportError as error:
        raise MissingError(
            "Pillow is not installed",
            expected=f"Pillow, {purpose}",
            action='pip install "edgefer-runtime[images]"',
        ) from error


def _read(source: str | Path | bytes, limits: PictureLimits, formats: tuple[str, ...] | None) -> Image:
    with _opened(source, limits, formats) as image:
        image.load()  # which makes a TIFF upright in some versions of Pillow, and nothing else
        return _upright(rgb(image, _name(source)), _orientation(image))


def _name(source: str | Path | bytes) -> str:
    return "an image received" if isinstance(source, bytes) else str(source)


@contextmanager
def _opened(
    source: str | Path | bytes, limits: PictureLimits, formats: tuple[str, ...] | None
) -> Iterator[Any]:
    """The opened picture; whatever goes wrong while it is read is a DataError that names it.

    Pillow's readers raise what they trip over in a damaged file: struct.error, IndexError, KeyError and more.
    """
    require_pillow("to read image files")
    from PIL import Image, UnidentifiedImageError

    name = _name(source)
    try:
        # By stream: a turned TIFF that Pillow maps into memory by its path comes out garbled.
        with _stream(source) as stream, Image.open(stream, formats=formats) as image:
            if image.width * image.height > limits.pixels or max(image.size) > limits.side:
                raise _too_large(f"{name}: {image.width:,} x {image.height:,} pixels", limits)
            yield image
    except EdgeferError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        pixels, *_ = map(int, re.findall(r"\d+", str(error)))
        raise _too_large(f"{name}: {pixels:,} pixels", limits) from error
    except UnidentifiedImageError as error:
        raise _unreadable(name, "of no known kind", formats, "convert it to JPEG or PNG") from error
    except MemoryError as error:
        raise DataError(f"{name}: not enough memory", action="give a smaller picture") from error
    except Exception as error:
        if isinstance(error, OSError) and error.strerror:
            raise _unreadable(name, error.strerror, formats, "check the path, and who may read it") from error
        reason = str(error) or type(error).__name__
        raise _unreadable(name, reason, formats, "give an image file that is whole") from error


def _stream(source: str | Path | bytes) -> IO[bytes]:
    return io.BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb")


def _unreadable(name: str, reason: str, formats: tuple[str, ...] | None, action: str) -> DataError:
    return DataError(
        f"{name}: cannot be read as an image ({reason})",
        expected=f"a {', '.join(formats)} file" if formats else "an image file that Pillow reads",
        action=action,
    )


def _too_large(found: str, limits: PictureLimits) -> TooLargeError:
    return TooLargeError(
        found,
        expected=f"at most {limits.pixels:,} pixels, and {limits.side:,} a side",
        action="make it smaller, or cut out the part that shows the faces",
    )


def _frame_numbers(image: Any) -> range:
    """Of a film's frames; the first alone where further ones are none of a film."""
    if image.format not in FILM_FORMATS:
        return range(1)
    # An APNG may have a picture for those who show no animation, which is no part of it.
    aside = bool(image.info.get("default_image"))
    count = getattr(image, "n_frames", 1)
    return range(aside, count) if count - aside > 1 else range(1)


def _upright(image: Image, orientation: int) -> Image:
    turn = TURNS.get(orientation)
    return image if turn is None else np.ascontiguousarray(turn(image))


def _orientation(image: Any) -> int:
    found = image.getexif().get(ORIENTATION)
    return found if isinstance(found, int) else 1
