"""From listed pictures to images of one size: in memory where they fit, else in a file decoded once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import PIL
from numpy.typing import NDArray

from edgefer.data.cache import entry
from edgefer.data.mapped import MappedImages
from edgefer.data.pictures import Picture
from edgefer.data.progress import Progress
from edgefer_runtime.environment import usable_cores

LARGEST_SIDE = 256
"""Pixels; above what any network of the zoo takes."""
FORMAT = 2
"""Raised when decoding gives other pixels, so that old files are not mistaken for new ones."""
SAMPLE = 2000
"""Pictures whose sizes decide a large set's."""
CHUNK = 256
"""Pictures decoded before they are written."""

Result = TypeVar("Result")


def decode(
    pictures: Sequence[Picture],
    name: str,
    *,
    memory_limit_bytes: int,
    progress: Progress | None = None,
) -> NDArray[np.uint8] | MappedImages:
    """The pictures as images of one size (:func:`common_size`), uint8 N x H x W x 3.

    Images that take more than ``memory_limit_bytes`` are written to the cache as they are decoded and
    mapped into memory; they are found there again as long as no picture has changed.

    Args:
        pictures: at least one.
        name: of the set, for the cache.
        memory_limit_bytes: largest array to hold in memory.
        progress: called with (pictures decoded, pictures in all).

    Raises:
        DataError: a picture cannot be read, or the disk is full.
    """
    width, height = common_size(pictures)
    shape = (len(pictures), height, width, 3)
    if int(np.prod(shape)) > memory_limit_bytes:
        return _through_cache(pictures, name, shape, progress)
    images = np.empty(shape, np.uint8)
    for start, chunk in _chunks(pictures, width, height, progress):
        images[start : start + len(chunk)] = chunk
    return images


def common_size(pictures: Sequence[Picture]) -> tuple[int, int]:
    """Width and height that all get: the median of each, at most 256 pixels.

    Of more than 2,000 pictures, 2,000 in even distances are looked at.
    """
    chosen = np.unique(np.linspace(0, len(pictures) - 1, SAMPLE).round().astype(int))
    sizes = [pictures[index].size() for index in chosen]
    width, height = np.median(np.array(sizes), axis=0).astype(int).clip(1, LARGEST_SIDE).tolist()
    return width, height


def in_threads(
    function: Callable[[Picture], Result], pictures: Sequence[Picture], progress: Progress | None = None
) -> Iterator[Result]:
    """``function`` of each picture, in order; few are under way at once. Pillow decodes without the GIL."""
    with ThreadPoolExecutor(usable_cores()) as pool:
        for start in range(0, len(pictures), CHUNK):
            chunk = pictures[start : start + CHUNK]
            yield from pool.map(function, chunk)
            if progress:
                progress(start + len(chunk), len(pictures))


def _chunks(
    pictures: Sequence[Picture], width: int, height: int, progress: Progress | None
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Index of the first and images of up to 256 pictures at a time."""
    decoded: list[NDArray[np.uint8]] = []
    done = 0
    for image in in_threads(lambda picture: picture.pixels(width, height), pictures, progress):
        decoded.append(image)
        if len(decoded) == CHUNK or done + len(decoded) == len(pictures):
            yield done, np.stack(decoded)
            done += len(decoded)
            decoded.clear()


def _through_cache(
    pictures: Sequence[Picture], name: str, shape: tuple[int, ...], progress: Progress | None
) -> MappedImages:
    digest = hashlib.sha256()
    for picture in pictures:
        digest.update(picture.stamp().encode() + b"\n")
    kept = entry(
        "pictures",
        name,
        dtype=np.uint8,
        shape=shape,
        of={"pictures": digest.hexdigest()},
        version={"decoded": FORMAT, "pillow": PIL.__version__},
    )
    kept.ensure(lambda: (chunk for _, chunk in _chunks(pictures, shape[2], shape[1], progress)), "pictures")
    return MappedImages(kept.path)
