"""AffectNet (Mollahosseini et al. 2017): some 290,000 labelled faces, eight classes.

The form with lists names pictures, the face's box in them and a code; "none", "uncertain" and "no face"
(codes 8 to 10) are left out, and faces are cropped to their boxes:

    Manually_Annotated_Images/103/29a31ebf.jpg
    training.csv, validation.csv    subDirectory_filePath,face_x,face_y,face_width,face_height,
                                    facial_landmarks,expression,valence,arousal

The later form has crops of 224 x 224 pixels and a numpy file for each:

    train_set/images/0.jpg, train_set/annotations/0_exp.npy; val_set/...

Its pictures have new names, so the pose and occlusion lists of other papers hold for the first form only.
A validation list without its header line is read too: whether the publisher's has one was not confirmed.
The publisher keeps the test faces, so results are reported on ``val``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from edgefer.data.files import listed, picture_files, warn_of_unlisted
from edgefer.data.labels import EIGHT
from edgefer.data.listing import Face, Gathered, Listing, Problems
from edgefer.data.pictures import PictureFile
from edgefer.data.tables import first_of, records, whole_number
from edgefer_runtime.errors import DataError

CODES = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")
"""What both forms count, from 0."""
OTHER_CODES: Mapping[int, str] = {8: "none", 9: "uncertain", 10: "no face"}
COLUMNS = (
    "subDirectory_filePath", "face_x", "face_y", "face_width", "face_height",
    "facial_landmarks", "expression", "valence", "arousal",
)  # fmt: skip
LISTS: Mapping[str, str] = {"training.csv": "train", "validation.csv": "val"}
LIST_FOLDERS = ("", "Manually_Annotated_file_lists/", "Manually_Annotated/")
PICTURES = tuple(f"{folder}Manually_Annotated_Images" for folder in ("", "Manually_Annotated/"))
EXPRESSION = "_exp.npy"
"""How the annotation files with the code end; others hold valence, arousal and landmarks."""
SETS: Mapping[str, str] = {"train_set": "train", "val_set": "val"}


def recognises(path: Path) -> bool:
    """A folder in either form."""
    return path.is_dir() and (first_of(path, PICTURES) is not None or bool(_annotated(path)))


def read(path: Path) -> Listing:
    """AffectNet with all eight classes.

    Raises:
        DataError: it is in neither form, or a list cannot be read.
    """
    annotated, pictures = _annotated(path), first_of(path, PICTURES)
    tables = {found: split for name, split in LISTS.items() if (found := first_of(path, _in_folders(name)))}
    if not annotated and (pictures is None or not tables):
        raise DataError(
            f"{path} has no {'pictures' if tables else 'lists'} of AffectNet",
            expected=f"{PICTURES[0]} with {' and '.join(LISTS)}, or {' and '.join(SETS)}",
            action="unpack the publisher's archives there",
        )
    problems, left_out = Problems(), Counter[str]()
    gathered = Gathered(problems)
    if annotated:
        coded = _from_annotations(path, annotated, problems)
    else:
        coded = _from_lists(pictures or path, tables, problems)
    for code, picture, split, where in coded:
        if code in OTHER_CODES:
            left_out[OTHER_CODES[code]] += 1
        elif 0 <= code < len(CODES):
            gathered.add(Face(picture, CODES[code], split))
        else:
            problems.refuse("labels out of 0..10", where, "get the labels anew")
    return Listing(
        name="affectnet",
        path=path,
        layout="folders of crops and numpy files" if annotated else "pictures and csv lists",
        classes=EIGHT,
        faces=gathered.faces,
        splits=tuple(annotated.values() or tables.values()),
        left_out=left_out,
        problems=problems,
    )


Coded = Iterator[tuple[int, PictureFile, str, str]]
"""Code, picture, split, and where the code is from."""


def _from_lists(pictures: Path, tables: Mapping[Path, str], problems: Problems) -> Coded:
    for table, split in tables.items():
        for line, fields in records(table):
            if fields[0] == COLUMNS[0]:
                continue
            where = f"{table.name}, line {line}"
            if len(fields) != len(COLUMNS):
                problems.refuse(f"lines without {len(COLUMNS)} fields", where, "get the list anew")
                continue
            row = dict(zip(COLUMNS, fields, strict=True))
            code = whole_number(row["expression"])
            if code in OTHER_CODES:
                yield code, PictureFile(pictures), split, where
                continue
            x, y, width, height = (whole_number(row[name]) for name in COLUMNS[1:5])
            if min(x, y) < 0 or min(width, height) < 1:
                problems.refuse("lines without a face's box", where, "get the list anew")
            elif picture := listed(pictures, row[COLUMNS[0]], problems):
                yield code, PictureFile(picture.path, (x, y, x + width, y + height)), split, where


def _from_annotations(path: Path, folders: Mapping[str, str], problems: Problems) -> Coded:
    for folder, split in folders.items():
        pictures = {picture.stem: picture for picture in picture_files(path / folder / "images")}
        for file in sorted((path / folder / "annotations").glob(f"*{EXPRESSION}")):
            if picture := pictures.pop(file.name.removesuffix(EXPRESSION), None):
                yield _code(file), PictureFile(picture), split, str(file)
            else:
                problems.refuse("annotations without a picture", str(file), "unpack the pictures again")
        warn_of_unlisted(pictures.values(), (), problems)


def _code(file: Path) -> int:
    """The number in a numpy file, stored as a number or as its digits; -1 for anything else."""
    try:
        value = np.load(file, allow_pickle=False)
        return int(str(value.item()))
    except (OSError, ValueError, EOFError):
        return -1


def _annotated(path: Path) -> dict[str, str]:
    """Those folders of the later form that are there -> split."""
    return {name: split for name, split in SETS.items() if (path / name / "annotations").is_dir()}


def _in_folders(name: str) -> list[str]:
    return [folder + name for folder in LIST_FOLDERS]
