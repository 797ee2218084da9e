"""A csv file of a user's own: a line a face.

    path,label,subject,yaw,occlusion,session,split
    anna/0001.png,happiness,anna,45,glasses,studio,train

``path`` (relative to the csv file's folder, with forward slashes) and ``label`` are required, the others
are read where they are there, in any order, separated by commas, semicolons or tabs. ``yaw`` is in degrees.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from edgefer.data.files import listed
from edgefer.data.labels import own_classes
from edgefer.data.listing import Face, Gathered, Listing, Problems
from edgefer.data.splits import split_of
from edgefer.data.tables import columns, rows, separator_of

REQUIRED = ("path", "label")
WORDS = ("subject", "occlusion", "session")


def recognises(path: Path) -> bool:
    """A csv file whose first line has the required columns."""
    is_table = path.suffix.lower() in (".csv", ".tsv") and path.is_file()
    return is_table and set(REQUIRED) <= {*columns(path, separator_of(path))}


def read(path: Path, named: Mapping[str, str] | None = None) -> Listing:
    """The faces that the csv file lists.

    Args:
        path: of the file.
        named: what labels mean, as ``--classes`` says: label -> class.

    Raises:
        DataError: the file cannot be read as a table, or lacks a column.
        UsageError: ``named`` names labels that are not there.
    """
    problems = Problems()
    gathered = Gathered(problems)
    for number, row in rows(path, REQUIRED, separator_of(path)):
        where = f"line {number} ({row['path']})"
        yaw = _degrees(row["yaw"]) if "yaw" in row else None
        if not row["label"]:
            problems.refuse("lines without a label", where, "label them or remove them")
        elif yaw is not None and math.isnan(yaw):
            problems.refuse("yaws that are no number of degrees", f"{where}: {row['yaw']}", "mend them")
        elif picture := listed(path.parent, row["path"], problems):
            subject, occlusion, session = (row.get(name) for name in WORDS)
            gathered.add(
                Face(
                    picture,
                    row["label"],
                    split_of(row.get("split", "")) or row.get("split", ""),
                    subject=subject,
                    yaw=yaw,
                    occlusion=occlusion,
                    session=session,
                )
            )
    faces = gathered.faces
    splits = tuple(dict.fromkeys(face.split for face in faces if face.split))
    for face in faces if splits else ():
        if not face.split:
            problems.refuse("pictures without a split", face.picture.name, "name a split for all or for none")
    first = {face.label: face.picture.name for face in reversed(faces)}
    classes = own_classes(first, named, problems, lambda word: f"{word} (of {first[word]})")
    kept = [face._replace(label=classes[face.label]) for face in faces if classes[face.label]]
    return Listing(
        name="csv",
        path=path,
        layout="a csv file with columns path and label",
        classes=tuple(dict.fromkeys(filter(None, classes.values()))),
        faces=kept,
        splits=splits,
        left_out={"pictures whose class --classes leaves out": len(faces) - len(kept)},
        problems=problems,
        words=classes,
    )


def _degrees(text: str) -> float:
    """The angle, NaN where it is none."""
    try:
        angle = float(text)
    except ValueError:
        return math.nan
    return angle if -180 <= angle <= 180 else math.nan
