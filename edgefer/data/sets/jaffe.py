"""JAFFE (Lyons et al. 1998): ten women, seven expressions, 213 grey pictures of 256 x 256 pixels.

A picture's name says it all: ``KA.AN1.39.tiff`` is person KA, angry, her first picture so, the set's 39th.
No official splits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

from edgefer.data.files import picture_files
from edgefer.data.labels import EXPRESSIONS
from edgefer.data.listing import Face, Gathered, Listing, Problems
from edgefer.data.pictures import PictureFile

CODES: Mapping[str, str] = {
    "AN": "anger",
    "DI": "disgust",
    "FE": "fear",
    "HA": "happiness",
    "NE": "neutral",
    "SA": "sadness",
    "SU": "surprise",
}
NAME = re.compile(rf"([A-Z]{{2}})\.({'|'.join(CODES)})\d\.\d+")
LOOKED_AT = 50
"""Files, before a folder is taken for something else."""


def recognises(path: Path) -> bool:
    """A folder with a picture named as JAFFE names them."""
    return path.is_dir() and any(NAME.fullmatch(file.stem) for file in islice(picture_files(path), LOOKED_AT))


def read(path: Path) -> Listing:
    """JAFFE's pictures, labelled by their names."""
    problems = Problems()
    gathered = Gathered(problems)
    for file in picture_files(path):
        if matched := NAME.fullmatch(file.stem):
            gathered.add(Face(PictureFile(file), CODES[matched[2]], subject=matched[1]))
        else:
            problems.warn("names that are no JAFFE code", str(file), "they are not loaded")
    return Listing(
        name="jaffe",
        path=path,
        layout="pictures named by person and expression",
        classes=EXPRESSIONS,
        faces=gathered.faces,
        problems=problems,
    )
