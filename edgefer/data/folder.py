"""A folder of pictures as a face set: one sub-folder a class."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from edgefer.data.faceset import FaceSet
from edgefer.data.registry import Progress
from edgefer_runtime.errors import DataError

LARGEST_SIDE = 256
"""Pixels; above what any network of the zoo takes, so that a folder of photographs fits into memory."""
SYSTEM_FILES = ("thumbs.db", "desktop.ini")
QUARTER_TURNS = (5, 6, 7, 8)
"""EXIF orientations in which the stored picture lies on its side."""
DEEP_MODES = ("I", "F")
"""Pillow's modes of more than 8 bits a channel, which it would clip rather than scale."""


def load_folder(path: Path, *, progress: Progress | None = None) -> FaceSet:
    """The pictures under ``path``, whose sub-folders are the classes in alphabetical order.

    A face set has one size. Pictures that all have one size of at most 256 pixels a side are taken as
    they are; otherwise each is resized (bilinear, antialiased, without regard to its proportions) to the
    median height and width of them all, at most 256 each. Hidden files are left out.

    Args:
        path: the folder.
        progress: called with (pictures read, pictures in all).

    Raises:
        DataError: the folder has no class folders, a class is empty, or a file in it is no picture.
    """
    classes = _class_folders(path)
    files = [(file, label) for label, folder in enumerate(classes) for file in _pictures(folder)]
    width, height = _common_size(_size(file) for file, _ in files)
    images = np.empty((len(files), height, width, 3), np.uint8)
    for number, (file, _) in enumerate(files):
        images[number] = _pixels(file, width, height)
        if progress:
            progress(number + 1, len(files))
    return FaceSet(
        name=f"folder:{path}",
        images=images,
        labels=np.array([label for _, label in files], np.int64),
        classes=tuple(folder.name for folder in classes),
    )


def _class_folders(path: Path) -> list[Path]:
    if not path.is_dir():
        raise DataError(
            f"{path} is no folder" if path.exists() else f"{path} does not exist",
            expected="a folder with one sub-folder a class",
            action="name another folder",
        )
    folders = sorted(child for child in path.iterdir() if child.is_dir() and not child.name.startswith("."))
    if not folders:
        raise DataError(
            f"{path} has no sub-folders",
            expected="one sub-folder a class, with that class's pictures in it",
            action=f"sort the pictures into {path / 'happiness'}, {path / 'sadness'} and so on",
        )
    return folders


def _pictures(folder: Path) -> list[Path]:
    files = sorted(
        file
        for file in folder.rglob("*")
        if file.is_file() and not file.name.startswith(".") and file.name.lower() not in SYSTEM_FILES
    )
    if not files:
        raise DataError(
            f"the class {folder} is empty", expected="pictures", action="fill or remove the folder"
        )
    return files


@contextmanager
def _picture(file: Path) -> Iterator[Image.Image]:
    """The opened picture; whatever goes wrong while it is read is a DataError that names the file."""
    try:
        with Image.open(file) as image:
            yield image
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(
            f"{file} cannot be read as a picture ({error})",
            expected="a PNG, JPEG, WebP or other picture with 8 bits a channel",
            action="mend the file or move it out of the folder",
        ) from error


def _size(file: Path) -> tuple[int, int]:
    """Width and height once the picture is upright."""
    with _picture(file) as image:
        width, height = image.size
        turned = image.getexif().get(ExifTags.Base.Orientation) in QUARTER_TURNS
        return (height, width) if turned else (width, height)


def _common_size(sizes: Iterable[tuple[int, int]]) -> tuple[int, int]:
    width, height = np.median(np.array(list(sizes)), axis=0).astype(int).clip(1, LARGEST_SIDE).tolist()
    return width, height


def _pixels(file: Path, width: int, height: int) -> NDArray[np.uint8]:
    with _picture(file) as image:
        if image.mode.startswith(DEEP_MODES):
            raise ValueError(f"pixels of kind {image.mode}")
        upright = ImageOps.exif_transpose(image).convert("RGB")
        if upright.size != (width, height):
            upright = upright.resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(upright)
