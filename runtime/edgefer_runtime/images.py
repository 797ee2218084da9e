"""Images at the door: what an array must be, and how a file becomes one."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.errors import DataError, MissingError

PIXEL_LIMIT = 1 << 26
"""Of an image that came over a network: 192 MiB once it is decoded."""

NETWORK_FORMATS = ("JPEG", "PNG", "WEBP")

_SCALE = "multiply by 255 if the values are 0..1, round, and call .astype(numpy.uint8)"
_GREY = "repeat the grey channel: numpy.repeat(image[..., None], 3, axis=-1) for H x W"
_ALPHA = "drop the alpha channel: image[..., :3]"


class Images(Protocol):
    """Images read a few at a time: a uint8 array N x H x W x 3, or a file that is indexed like one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """N, H, W, 3."""

    @property
    def dtype(self) -> np.dtype[np.uint8]:
        """uint8."""

    def __len__(self) -> int:
        """N."""

    def __getitem__(self, key: slice | NDArray[Any], /) -> NDArray[np.uint8]:
        """Those of a slice or at an array of indices, as an array."""


def check_images(images: NDArray[Any]) -> NDArray[np.uint8]:
    """The batch itself, if it is one of uint8 RGB images with at least one pixel each.

    Args:
        images: anything; wanted is uint8, N x H x W x 3, RGB.

    Raises:
        DataError: not an array, or of another type or shape; the message says how to convert it.
    """
    if (
        isinstance(images, np.ndarray)
        and images.dtype == np.uint8
        and images.ndim == 4
        and images.shape[3] == 3
        and images.size
    ):
        return images
    raise _misfit(images, batch=True)


def check_crop(crop: NDArray[Any]) -> NDArray[np.uint8]:
    """The one image as a batch: uint8 H x W x 3 in, 1 x H x W x 3 out, without a copy.

    Raises:
        DataError: as :func:`check_images`.
    """
    if (
        isinstance(crop, np.ndarray)
        and crop.dtype == np.uint8
        and crop.ndim == 3
        and crop.shape[2] == 3
        and crop.size
    ):
        return crop[None]
    raise _misfit(crop, batch=False)


def load_image(path: str | Path) -> NDArray[np.uint8]:
    """Read an image file, upright as its EXIF orientation says.

    Returns:
        uint8, H x W x 3, RGB.

    Raises:
        DataError: the file is missing, no image, damaged, or larger than Pillow's safety limit.
        MissingError: Pillow is not installed.
    """
    return _read(path, str(path))


def decode_image(content: bytes, *, pixel_limit: int = PIXEL_LIMIT) -> NDArray[np.uint8]:
    """The image of a JPEG, PNG or WebP file that came over a network, upright.

    Args:
        content: the file.
        pixel_limit: pixels it may have; a larger one is refused by its head, before any is decoded.

    Returns:
        uint8, H x W x 3, RGB.

    Raises:
        DataError: another kind of file, a damaged one, or more pixels.
        MissingError: Pillow is not installed.
    """
    return _read(io.BytesIO(content), "an image received", NETWORK_FORMATS, pixel_limit)


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


def _read(
    source: str | Path | io.BytesIO,
    name: str,
    formats: tuple[str, ...] | None = None,
    pixel_limit: int | None = None,
) -> NDArray[np.uint8]:
    require_pillow("to read image files")
    from PIL import Image, ImageOps

    try:
        with Image.open(source, formats=formats) as image:
            if pixel_limit is not None and image.width * image.height > pixel_limit:
                raise ValueError(f"{image.width} x {image.height} pixels, more than {pixel_limit}")
            return np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise DataError(
            f"{name}: cannot be read as an image ({reason})",
            expected=f"a {', '.join(formats)} file" if formats else "an image file that Pillow reads",
            action="give an image file that is whole",
        ) from error


def _misfit(images: Any, *, batch: bool) -> DataError:
    """What is wrong with an array at the door, and what would mend it."""
    expected = "a uint8 array, " + ("N x H x W x 3 (RGB)" if batch else "H x W x 3 (RGB)")
    if not isinstance(images, np.ndarray):
        return DataError(
            f"images of type {type(images).__name__}", expected=expected, action="call numpy.asarray on it"
        )
    found = f"images of type {images.dtype} and shape {' x '.join(map(str, images.shape)) or '()'}"
    if images.dtype != np.uint8:
        return DataError(found, expected=expected, action=_SCALE)
    rank = 4 if batch else 3
    if images.ndim == rank and images.shape[-1] == 3:
        return DataError(
            f"{found}: no pixels", expected=expected, action="check the face's box before cropping"
        )
    if images.ndim in (rank - 1, rank) and images.shape[-1:] == (4,):
        action = _ALPHA
    elif images.ndim == rank and images.shape[-1] == 1:
        action = "repeat the grey channel: numpy.repeat(image, 3, axis=-1)"
    elif images.ndim == rank - 1 and images.shape[-1] != 3:
        action = _GREY
    elif images.ndim == 3 and batch:
        action = "add the batch axis: image[None]"
    elif images.ndim == 4 and not batch:
        action = "use Classifier.predict for a batch"
    else:
        action = "move the colour channels to the last axis"
    return DataError(found, expected=expected, action=action)
