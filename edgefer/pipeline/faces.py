"""Face sets for the commands: loaded with a progress bar, drawn as a contact sheet."""

from __future__ import annotations

from pathlib import Path

from edgefer.data import DATASETS, load
from edgefer.data.faceset import FaceSet
from edgefer.pipeline import Report, ignore
from edgefer_runtime.errors import UsageError
from edgefer_runtime.files import replacing

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
    dataset = DATASETS.get(name.partition(":")[0])
    return dataset.notice if dataset is not None and dataset.splits else ""


def draw_contact_sheet(name: str, output: Path, on_progress: Report = ignore) -> None:
    """Write a picture of a face set, a row an expression; of a set without a split, its test faces.

    Raises:
        UsageError: ``output`` does not end as a picture does.
    """
    if output.suffix.lower() not in PICTURES:
        raise UsageError(
            f"{output}: no picture's name", expected=f"a name that ends in {', '.join(PICTURES)}"
        )
    from edgefer.data.sheet import contact_sheet

    split = f"{name}:test" if name in DATASETS else name
    sheet = contact_sheet(load_faces(split, on_progress))
    with replacing(output) as temporary:
        sheet.save(temporary, quality=90)
