"""Images at the door: what an array must be, and how a file becomes one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.errors import DataError
from edgefer_runtime.pictures import NETWORK_FORMATS, NETWORK_LIMITS, PictureLimits, read_picture


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
    """Read an image file as :mod:`edgefer_runtime.pictures` does, upright as its EXIF orientation says.

    Returns:
        uint8, H x W x 3, RGB.

    Raises:
        DataError: the file is missing, no image, damaged, larger than :data:`FILE_LIMITS`, or of pixels that
            cannot be told as 8 bits.
        MissingError: Pillow is not installed.
    """
    return read_picture(path)


def decode_image(
    content: bytes, *, pixel_limit: int = NETWORK_LIMITS.pixels, side_limit: int = NETWORK_LIMITS.side
) -> NDArray[np.uint8]:
    """The image of a JPEG, PNG or WebP file that came over a network, upright.

    Args:
        content: the file.
        pixel_limit: pixels it may have; a larger one is refused by its head, before any is decoded.
        side_limit: pixels its longer side may have.

    Returns:
        uint8, H x W x 3, RGB.

    Raises:
        DataError: another kind of file, a damaged one, or a larger one.
        MissingError: Pillow is not installed.
    """
    limits = PictureLimits(pixels=pixel_limit, side=side_limit)
    return read_picture(bytes(content), limits=limits, formats=NETWORK_FORMATS)


def _misfit(images: Any, *, batch: bool) -> DataError:
    """What is wrong with an array at the door, and what would mend it."""
    expected = "a uint8 array, " + ("N x H x W x 3 (RGB)" if batch else "H x W x 3 (RGB)")
    if not isinstance(images, np.ndarray):
        found, action = f"images of type {type(images).__name__}", _array_of(images)
    else:
        found = f"images of type {images.dtype} and shape {' x '.join(map(str, images.shape)) or '()'}"
        if not images.size:
            found, action = (
                f"{found}: no pixels",
                "check the face's box before cropping, or the camera's frame",
            )
        else:
            steps = _bytes_of(images), _axes_of(images.shape, batch=batch)
            action = "; then ".join(filter(None, steps))
    return DataError(found, expected=expected, action=action)


def _array_of(images: Any) -> str:
    """How an array is made of what is none."""
    if images is None:
        return "look why there is no image: OpenCV gives None for a file that it cannot read"
    if isinstance(images, str | Path):
        return "read the file first: edgefer_runtime.images.load_image(path)"
    if isinstance(images, bytes | bytearray | memoryview):
        return "decode the file first: edgefer_runtime.images.decode_image(content)"
    if type(images).__module__.partition(".")[0] == "PIL":
        return 'give its pixels: numpy.asarray(image.convert("RGB"))'
    if hasattr(images, "cpu"):
        return "take it from its device: image.cpu().numpy(), with the colour channels on the last axis"
    return "call numpy.asarray on it"


def _bytes_of(images: NDArray[Any]) -> str:
    """How an array of other numbers becomes one of bytes, by the values that it has; empty for bytes."""
    kind = images.dtype.kind
    if images.dtype == np.uint8:
        return ""
    if kind == "b":
        return "give the picture and not a mask of it, or image.astype(numpy.uint8) * 255 if that is meant"
    if kind not in "iuf":
        return "give an array of numbers"
    low, high = images.min(), images.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        return "look where its values come from: some are not finite"
    if kind == "f" and low >= 0 and high <= 1:
        return "multiply by 255, as its values are 0..1: (255 * image).round().astype(numpy.uint8)"
    if low >= 0 and high <= 255 and images.dtype != np.uint16:
        return "round, as its values are 0..255: image.round().astype(numpy.uint8)"
    if images.dtype == np.uint16:
        return (
            f"divide by 257, or by 16 if it uses 12 bits, by 4 if 10 (its largest value is {high}): "
            "(image / 257).round().astype(numpy.uint8)"
        )
    return f"bring its values, {low:g} to {high:g}, to 0..255, round, and call .astype(numpy.uint8)"


def _axes_of(shape: tuple[int, ...], *, batch: bool) -> str:
    """How an array of another shape becomes one of images; empty where it is one."""
    rank, channels = (4 if batch else 3), shape[-1] if shape else 0
    if len(shape) == rank and channels == 3:
        return ""
    if len(shape) in (rank - 1, rank) and channels == 4:
        return "drop the alpha channel: image[..., :3]"
    if len(shape) == rank and channels in (1, 2):
        return "repeat the grey channel: numpy.repeat(image[..., :1], 3, axis=-1)"
    if len(shape) == rank - 1 and channels != 3:
        return "repeat the grey channel: numpy.repeat(image[..., None], 3, axis=-1) for H x W"
    if len(shape) == 3 and batch:
        return "add the batch axis: image[None]"
    if len(shape) == 4 and not batch:
        return "use Classifier.predict for a batch of crops, or image[0] for its first image"
    if len(shape) == rank and shape[-3] == 3:
        return "move the colour channels to the last axis: numpy.moveaxis(image, -3, -1)"
    return f"give {'a batch of images' if batch else 'one image'}, with the colour channels on the last axis"
