"""FER2013 (Goodfellow et al. 2013): 35,887 grey pictures of 48 x 48 pixels, seven classes.

Two forms go round. The csv file ``fer2013.csv`` (columns ``emotion,pixels,Usage``; also packed as
``icml_face_data.csv``, the same columns in another order) has the official splits of 28,709, 3,589 and
3,589 faces. The folders ``train/angry/*.jpg`` ... ``test/surprise/*.jpg`` put the last two together as test;
where their files still bear the names ``PublicTest_*`` and ``PrivateTest_*``, these tell them apart again.

Where FERPlus' ``fer2013new.csv`` lies beside the csv file, its rows name the faces: lists of FERPlus faces
then hold for FER2013 too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from edgefer.data.files import picture_files, sub_folders
from edgefer.data.labels import EXPRESSIONS
from edgefer.data.listing import Face, Listing, Problems
from edgefer.data.pictures import PictureFile, PixelRow
from edgefer.data.sets import folder
from edgefer.data.tables import columns, first_of, rows, whole_number
from edgefer_runtime.errors import DataError

SIDE = 48
BYTES: Mapping[str, int] = {str(value): value for value in range(256)}
"""Three times as fast as ``int``, and strict."""
CODES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
"""What ``emotion`` counts, from 0."""
USAGES: Mapping[str, str] = {"Training": "train", "PublicTest": "val", "PrivateTest": "test"}
"""``Usage`` -> split."""
COLUMNS = ("emotion", "pixels", "Usage")
TABLES = ("fer2013.csv", "icml_face_data.csv", "fer2013/fer2013.csv")
NAMES = "fer2013new.csv"
FOLDERS = {"angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"}


class Row(NamedTuple):
    """A line of the csv file; code, split and pixels are -1 or empty where they are wrong."""

    line: int
    emotion: int
    split: str
    grey: bytes


def recognises(path: Path) -> bool:
    """The csv file, a folder with it, or the folder form."""
    if path.is_file():
        return {name.lower() for name in COLUMNS} <= {*columns(path)}
    return first_of(path, TABLES) is not None or _is_folder_form(path)


def read(path: Path) -> Listing:
    """FER2013 in either form.

    Raises:
        DataError: it is in neither, or the csv file cannot be read as a table.
    """
    if path.is_dir() and _is_folder_form(path):
        return _of_folders(folder.read(path))
    table = path if path.is_file() else first_of(path, TABLES)
    if table is None:
        raise DataError(
            f"{path} is not FER2013",
            expected="fer2013.csv, or folders train and test with one sub-folder a class",
            action="name the folder with one of them in it",
        )
    problems = Problems()
    names = picture_names(table.parent / NAMES)
    faces = []
    for number, row in enumerate(fer_rows(table, problems)):
        name = names[number] if number < len(names) else ""
        where = f"{table.name}, line {row.line}"
        if not 0 <= row.emotion < len(CODES):
            problems.refuse("labels out of 0..6", where, "get the file anew")
        elif row.grey and row.split:
            picture = PixelRow(f"{where} ({name})" if name else where, row.grey, SIDE)
            faces.append(Face(picture, CODES[row.emotion], row.split))
    return Listing(
        name="fer2013",
        path=path,
        layout=f"{table.name} with columns {', '.join(COLUMNS)}",
        classes=EXPRESSIONS,
        faces=faces,
        splits=("train", "val", "test"),
        problems=problems,
    )


def fer_rows(table: Path, problems: Problems) -> Iterator[Row]:
    """The lines of ``fer2013.csv``, damaged ones too, so that line n stays line n.

    Raises:
        DataError: it cannot be read as a table.
    """
    for line, row in rows(table, COLUMNS):
        where = f"{table.name}, line {line}"
        split = USAGES.get(row["usage"], "")
        if not split:
            problems.refuse(f"usages other than {', '.join(USAGES)}", f"{where}: {row['usage']}", "mend them")
        grey = _grey(row["pixels"])
        if not grey:
            problems.refuse(f"rows without {SIDE} x {SIDE} pixels in 0..255", where, "get the file anew")
        yield Row(line, whole_number(row["emotion"]), split, grey)


def picture_names(votes: Path) -> list[str]:
    """What FERPlus calls each row of ``fer2013.csv``; nothing where its file is not there."""
    return [row["image name"] for _, row in rows(votes, ("Image name",))] if votes.is_file() else []


def _grey(text: str) -> bytes:
    """The pixels as bytes, none of them where they are too few, too many or no bytes."""
    values = text.split()
    try:
        return bytes(map(BYTES.__getitem__, values)) if len(values) == SIDE * SIDE else b""
    except KeyError:
        return b""


def _of_folders(listing: Listing) -> Listing:
    """The folder form; where all names tell a face's official split, they decide and not the folders."""
    named = [USAGES.get(_usage(face), "") for face in listing.faces]
    tell = {(face.split, split) for face, split in zip(listing.faces, named, strict=True)}
    faces, official = listing.faces, {("train", "train"), ("test", "val"), ("test", "test")}
    layout = "folders train and test with a sub-folder a class"
    if official - {("train", "train")} <= tell <= official | {("train", "")}:
        faces = [face._replace(split=split or face.split) for face, split in zip(faces, named, strict=True)]
        layout += "; val and test told apart by the files' names"
    elif mixed := [(folder, split) for folder, split in sorted(tell) if split and folder != split]:
        for face, split in zip(faces, named, strict=True):
            if (face.split, split) in mixed:
                listing.problems.warn(
                    "files whose names tell another official split than their folder",
                    face.picture.name,
                    "this is no official split; figures do not compare with others'",
                )
    return replace(
        listing,
        name="fer2013",
        layout=layout,
        classes=EXPRESSIONS,
        faces=faces,
        splits=tuple(split for split in USAGES.values() if split in {face.split for face in faces}),
        words={},
    )


def _usage(face: Face) -> str:
    """The first word of a picture's name, which mirrors made of its usage."""
    return Path(face.picture.name).name.partition("_")[0]


def _is_folder_form(path: Path) -> bool:
    """Folders train and test with the seven classes in each, of pictures as small as FER2013's."""
    for split in ("train", "test"):
        if not (path / split).is_dir():
            return False
        if {child.name.lower() for child in sub_folders(path / split)} != FOLDERS:
            return False
    first = next(picture_files(path / "train"), None)
    try:
        return first is not None and PictureFile(first).size() == (SIDE, SIDE)
    except DataError:
        return False
