"""Face sets for the commands: loaded with a progress bar, drawn as a contact sheet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgefer.data import DATASETS, load
from edgefer.data.catalogue import OWN
from edgefer.data.faceset import FaceSet
from edgefer.data.registry import find
from edgefer.pipeline import Report, ignore
from edgefer_runtime.errors import UsageError
from edgefer_runtime.files import replacing, require_writable

if TYPE_CHECKING:
    from edgefer.data.check import Findings

PICTURES = (".png", ".jpg", ".webp")
"""What a contact sheet can be written as."""


def load_faces(name: str, on_progress: Report = ignore) -> FaceSet:
    """The face set called ``name``; rendering or reading it is reported as it goes.

    Raises:
        UsageError, DataError: no such set, or one that cannot be read.
    """
    return load(name, progress=lambda done, total: on_progress(f"faces {name}", done, total))


def notice(name: str) -> str:
    """What readers of a number must know of the faces it was measured on; empty for a user's own."""
    place = find(name)
    dataset = place.dataset if place else DATASETS["synthfer"]
    return "" if dataset.licence == OWN else dataset.notice


def check_faces(name: str, on_progress: Report = ignore) -> Findings:
    """What the set called ``name``, or the folder at that path, holds and what is wrong with it.

    Raises:
        UsageError: no such set, or SynthFER, which is rendered and not read.
        DataError: the folder does not hold the set, or one of its lists cannot be read at all.
    """
    from edgefer.data.check import check

    place = find(name)
    if place is None:
        raise UsageError(f"{name} is in no folder", expected="a path, or NAME:PATH", action="name one")
    return check(place, lambda done, total: on_progress(f"pictures of {name}", done, total))


def draw_contact_sheet(name: str, output: Path, on_progress: Report = ignore) -> None:
    """Write a picture of a face set, a row an expression; of ``synthfer`` alone, its test faces.

    Raises:
        UsageError: ``output`` does not end as a picture does, or no such set.
        DataError: ``output`` cannot be written, or the set cannot be read.
    """
    require_picture(output)
    from edgefer.data.sheet import contact_sheet

    sheet = contact_sheet(load_faces("synthfer:test" if name == "synthfer" else name, on_progress))
    with replacing(output) as temporary:
        sheet.save(temporary, quality=90)


def require_picture(path: Path) -> None:
    """Notice before the work what would stop a picture after it.

    Raises:
        UsageError: ``path`` does not end as a picture does.
        DataError: it cannot be written.
    """
    if path.suffix.lower() not in PICTURES:
        raise UsageError(f"{path}: no picture's name", expected=f"a name that ends in {', '.join(PICTURES)}")
    require_writable(path)
