"""A csv file of a user's own: a line a face.

    path,label,subject,yaw,occlusion,session,split
    anna/0001.png,happiness,anna,45,glasses,studio,train

``path`` (relative to the csv file's folder, with forward slashes) and ``label`` are required, the others
are read where they are there. ``yaw`` is in degrees.
"""

from __future__ import annotations

import math
from pathlib import Path

from edgefer.data.files import listed
from edgefer.data.labels import own_classes
from edgefer.data.listing import Face, Gathered, Listing, Problems
from edgefer.data.tables import columns, rows

REQUIRED = ("path", "label")
WORDS = ("subject", "occlusion", "session")


def recognises(path: Path) -> bool:
    """A csv file whose first line has the required columns."""
    return path.suffix.lower() == ".csv" and path.is_file() and set(REQUIRED) <= {*columns(path)}


def read(path: Path) -> Listing:
    """The faces that the csv file lists.

    Raises:
        DataError: the file cannot be read as a table, or lacks a column.
    """
    problems = Problems()
    gathered = Gathered(problems)
    for number, row in rows(path, REQUIRED):
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
                    row.get("split", ""),
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
    classes = own_classes({face.label for face in faces})
    return Listing(
        name="csv",
        path=path,
        layout="a csv file with columns path and label",
        classes=tuple(dict.fromkeys(classes.values())),
        faces=[face._replace(label=classes[face.label]) for face in faces],
        splits=splits,
        problems=problems,
    )


def _degrees(text: str) -> float:
    """The angle, NaN where it is none."""
    try:
        angle = float(text)
    except ValueError:
        return math.nan
    return angle if -180 <= angle <= 180 else math.nan
