"""RAF-DB, the basic set (Li et al. 2017): 15,339 aligned faces of 100 x 100 pixels, seven classes.

    basic/Image/aligned/train_00001_aligned.jpg ...
    basic/EmoLabel/list_patition_label.txt      train_00001.jpg 5

The list's misspelt name is the publisher's. 12,271 faces to train on, 3,068 to test with.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from edgefer.data.files import listed, picture_files, warn_of_unlisted
from edgefer.data.labels import EXPRESSIONS
from edgefer.data.listing import Face, Gathered, Listing, Problems
from edgefer.data.tables import first_of, lines
from edgefer_runtime.errors import DataError

CODES = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
"""What the list counts, from 1."""
LISTS = tuple(f"{folder}list_patition_label.txt" for folder in ("basic/EmoLabel/", "EmoLabel/", "basic/", ""))
PICTURES = ("basic/Image/aligned", "Image/aligned", "aligned")


def recognises(path: Path) -> bool:
    """A folder with the partition list."""
    return path.is_dir() and first_of(path, LISTS) is not None


def read(path: Path) -> Listing:
    """RAF-DB's aligned pictures with their labels.

    Raises:
        DataError: list or pictures are not there, or the list cannot be read.
    """
    table, pictures = first_of(path, LISTS), first_of(path, PICTURES)
    if table is None or pictures is None:
        raise DataError(
            f"{path} has no {'partition list' if table is None else 'aligned pictures'}",
            expected=f"{LISTS[0]} and {PICTURES[0]}",
            action="unpack Image/aligned.zip and EmoLabel of the basic set there",
        )
    problems = Problems()
    gathered = Gathered(problems)
    known = set()
    for number, line in lines(table):
        name, _, code = line.partition(" ")
        where = f"{table.name}, line {number}: {line[:60]}"
        split = name.partition("_")[0]
        if not code:
            problems.refuse("lines other than a name, a blank and a label", where, "get the list anew")
        elif split not in ("train", "test"):
            problems.refuse("names that begin with neither train_ nor test_", where, "get the list anew")
        elif picture := listed(pictures, aligned(name), problems):
            known.add(picture.path)
            if code.strip() in map(str, range(1, 8)):
                gathered.add(Face(picture, CODES[int(code) - 1], split))
            else:
                problems.refuse("labels out of 1..7", where, "get the list anew")
    warn_of_unlisted(picture_files(pictures), known, problems)
    return Listing(
        name="rafdb",
        path=path,
        layout="aligned pictures and the partition list",
        classes=EXPRESSIONS,
        faces=gathered.faces,
        splits=("train", "test"),
        problems=problems,
    )


def aligned(name: str) -> str:
    """``train_00001.jpg`` -> ``train_00001_aligned.jpg``."""
    path = PurePosixPath(name)
    return f"{path.with_suffix('')}_aligned{path.suffix}"
