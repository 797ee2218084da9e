"""KDEF (Lundqvist, Flykt & Oehman 1998): 70 people, seven expressions, five angles, twice: 4,900 pictures.

A picture's name says it all: ``AF01ANFL.JPG`` is session A, female 01, angry, full left profile. Pictures
lie in folders of their own or all in one; the averaged faces that come with them (AKDEF) are left out.
No official splits. Pictures (562 x 762 pixels) show head and shoulders: crop the faces first, names kept.

Yaw follows the codes FL, HL, S, HR, FR: -90, -45, 0, 45, 90 degrees. A left profile shows the left cheek,
so the face turns to the left of the picture, which is negative here as in SynthFER. This is how the
publisher's words read; it was not checked against the pictures.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

from edgefer.data.files import picture_files
from edgefer.data.labels import EXPRESSIONS
from edgefer.data.listing import Face, Gathered, Listing, Problems
from edgefer.data.pictures import PictureFile

CODES: Mapping[str, str] = {
    "AF": "fear",
    "AN": "anger",
    "DI": "disgust",
    "HA": "happiness",
    "NE": "neutral",
    "SA": "sadness",
    "SU": "surprise",
}
YAWS: Mapping[str, float] = {"FL": -90, "HL": -45, "S": 0, "HR": 45, "FR": 90}
"""Angle -> degrees."""
NAME = re.compile(rf"([AB])([FM]\d\d)({'|'.join(CODES)})({'|'.join(YAWS)})", re.IGNORECASE)
AVERAGED = re.compile(rf"[FM]({'|'.join(CODES)})({'|'.join(YAWS)})", re.IGNORECASE)
LOOKED_AT = 200
"""Files, before a folder is taken for something else."""


def recognises(path: Path) -> bool:
    """A folder with a picture named as KDEF names them."""
    return path.is_dir() and any(NAME.fullmatch(file.stem) for file in islice(picture_files(path), LOOKED_AT))


def read(path: Path) -> Listing:
    """KDEF's pictures, labelled by their names."""
    problems, left_out = Problems(), Counter[str]()
    gathered = Gathered(problems)
    for file in picture_files(path):
        if AVERAGED.fullmatch(file.stem):
            left_out["averaged face"] += 1
        elif matched := NAME.fullmatch(file.stem.upper()):
            session, subject, expression, angle = matched.groups()
            gathered.add(
                Face(PictureFile(file), CODES[expression], subject=subject, yaw=YAWS[angle], session=session)
            )
        else:
            problems.warn("names that are no KDEF code", str(file), "they are not loaded")
    return Listing(
        name="kdef",
        path=path,
        layout="pictures named by session, person, expression and angle",
        classes=EXPRESSIONS,
        faces=gathered.faces,
        left_out=left_out,
        problems=problems,
    )
