"""A folder of the robot's own pictures: face crops that nobody labelled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgefer.data.faceset import FaceSet
from edgefer.data.registry import MEMORY_LIMIT_BYTES
from edgefer.pipeline import Report
from edgefer_runtime.errors import DataError

if TYPE_CHECKING:
    from edgefer.data.pictures import Picture, PictureFile

UNLABELLED = "unlabelled"
"""The only class of such pictures."""

LISTED = 8
"""Files named in a message before it says how many more there are."""


def is_frames(path: Path) -> bool:
    """Whether ``path`` is a folder of pictures in which no face set is recognised."""
    from edgefer.data.sets import recognise

    try:
        return path.is_dir() and not recognise(path)
    except DataError:
        return True


def list_frames(folder: Path, on_progress: Report) -> list[PictureFile]:
    """The pictures in ``folder`` and below, in alphabetical order; no pixel is decoded.

    Raises:
        DataError: there are none, some cannot be read, or some are of no face crop's size; it names them.
    """
    from edgefer.data.decode import in_threads
    from edgefer.data.files import picture_files
    from edgefer.data.pictures import PictureFile

    pictures = [PictureFile(path) for path in picture_files(folder)]
    if not pictures:
        raise DataError(
            f"{folder} holds no pictures",
            expected="face crops as PNG, JPEG or other picture files",
            action="name the folder that your robot writes them to",
        )
    sizes = in_threads(_problem, pictures, lambda done, total: on_progress(f"sizes {folder}", done, total))
    wrong = [problem for problem in sizes if problem]
    if wrong:
        more = f"; and {len(wrong) - LISTED} more" if len(wrong) > LISTED else ""
        raise DataError(
            f"{len(wrong)} of {len(pictures)} pictures cannot calibrate: {'; '.join(wrong[:LISTED])}{more}",
            expected="readable face crops, as the network gets them on the robot",
            action=f"take them out of {folder}; where they are whole frames, crop the faces first",
        )
    return pictures


def load_frames(folder: Path, pictures: Sequence[PictureFile], on_progress: Report) -> FaceSet:
    """The pictures at one size (their median, at most 256 pixels a side), each with its ``file``.

    Raises:
        DataError: one cannot be read.
    """
    from edgefer.data.decode import decode

    return FaceSet(
        name=f"folder:{folder.resolve().name}",
        images=decode(
            pictures,
            "frames",
            memory_limit_bytes=MEMORY_LIMIT_BYTES,
            progress=lambda done, total: on_progress(f"pictures {folder}", done, total),
        ),
        labels=np.zeros(len(pictures), np.int64),
        classes=(UNLABELLED,),
        attributes={"file": np.array([str(picture.path.relative_to(folder)) for picture in pictures])},
    )


def _problem(picture: Picture) -> str:
    """Why a picture is no face crop; empty when it may be one."""
    from edgefer_calibration.validation import out_of_shape

    try:
        reason = out_of_shape(*picture.size())
    except DataError as error:
        return error.found
    return reason and f"{picture.name} has {reason}"
