"""A folder of face crops in the making: what was done stays when the work is interrupted."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import shutil
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from edgefer.data.listing import Face
from edgefer.data.pictures import Picture, PictureFile
from edgefer.data.sets.folder import SPLITS
from edgefer_runtime.errors import DataError
from edgefer_runtime.files import is_inside, require_writable, unwritable, write_whole

SCHEMA = "edgefer.prepared/1"
RECORD, LIST, JOURNAL = "prepared.json", "faces.csv", "journal.jsonl"
ATTRIBUTES = ("subject", "yaw", "occlusion", "session", "split")
"""What a csv face set says of a face beside path and label."""


class Outcome(NamedTuple):
    """What became of one picture.

    Attributes:
        original: the picture, relative to the raw folder where it lies there.
        path: its crop, relative to the prepared folder; empty where there is none.
        reason: why there is none, or why this face was taken.
        faces: how many the detector saw.
        box, landmarks, score: the face that was taken, as :class:`edgefer_runtime.faces.Detection` has it.
    """

    original: str
    path: str
    reason: str
    faces: int = 0
    box: list[float] | None = None
    landmarks: list[list[float]] | None = None
    score: float | None = None


class Draft:
    """A hidden folder beside ``output``, which takes its name once everything is in it.

    Args:
        output: the folder to be.
        made: all that decides what the crops look like; a draft made otherwise is begun anew.

    Raises:
        DataError: ``output`` exists, or nothing can be written beside it.
    """

    def __init__(self, output: Path, made: Mapping[str, Any]) -> None:
        require_unused(output)
        self._output, self._made = output, dict(made)
        self._lock = threading.Lock()
        self._folder = output.with_name(f".{output.name}.preparing")
        header, *lines = _read(self._folder / JOURNAL) or [None]
        self._known = {line["picture"]: Outcome(**line["outcome"]) for line in lines}
        try:
            if header != self._made:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._known = {}
                self._folder.mkdir(parents=True)
                self._append(self._made)
        except OSError as error:
            raise unwritable(output, error) from error

    def recall(self, picture: Picture) -> Outcome | None:
        """What an interrupted call has made of the picture, if it has not changed since."""
        return self._known.get(picture.stamp())

    def write(self, path: str, crop: Image.Image) -> None:
        """Keep a crop, without loss."""
        data = io.BytesIO()
        crop.save(data, "PNG")
        write_whole(self._folder / path, data.getvalue())

    def note(self, picture: Picture, outcome: Outcome) -> None:
        """Keep what became of a picture, whose crop is written; called from many threads."""
        with self._lock:
            self._append({"picture": picture.stamp(), "outcome": outcome._asdict()})

    def finish(self, faces: Iterable[Face], outcomes: Iterable[Outcome]) -> dict[str, Any]:
        """Add the list and the record, and give the folder its name; the record.

        Raises:
            DataError: no picture has a crop, or the folder cannot be written.
        """
        pairs = [*zip(faces, outcomes, strict=True)]
        kept = [(face, outcome) for face, outcome in pairs if outcome.path]
        if not kept:
            shutil.rmtree(self._folder)
            raise DataError(
                f"no face in {len(pairs)} pictures, e.g. {pairs[0][1].original}: {pairs[0][1].reason}",
                expected="photos of faces, with some of what is around them",
                action="pictures that are face crops already need no preparation",
            )
        record = {
            "schema": SCHEMA,
            **self._made,
            "faces": [outcome._asdict() for _, outcome in kept],
            "left_out": [
                {"original": outcome.original, "reason": outcome.reason}
                for _, outcome in pairs
                if not outcome.path
            ],
        }
        write_whole(self._folder / LIST, _table(kept).encode())
        write_whole(self._folder / RECORD, (json.dumps(record, indent=1) + "\n").encode())
        try:
            (self._folder / JOURNAL).unlink()
            self._folder.rename(self._output)
        except OSError as error:
            raise unwritable(self._output, error) from error
        return record

    def _append(self, line: Mapping[str, Any]) -> None:
        try:
            with (self._folder / JOURNAL).open("a", encoding="utf-8") as journal:
                # Begun and not ended by a new line: one that was cut short spoils no other.
                journal.write("\n" + json.dumps(line))
        except OSError as error:
            raise unwritable(self._output, error) from error


def require_unused(output: Path) -> None:
    """Notice before the work what would stop a prepared folder after it.

    Raises:
        DataError: ``output`` exists, or nothing can be written beside it.
    """
    if output.exists():
        raise DataError(
            f"{output} exists", expected="an unused name", action="choose another, or remove it yourself"
        )
    require_writable(output, folder=True)


def crop_path(face: Face, original: str, splits: Iterable[str]) -> str:
    """Where the crop of a picture lies in the folder: under its split, where there are usual ones, and class.

    The name depends on nothing but the picture's own, so that more pictures give the same names.

    Raises:
        DataError: the class's name cannot be a folder's.
    """
    if not is_inside(face.label) or "/" in face.label or face.label.startswith("."):
        raise DataError(
            f"a class called {face.label!r}",
            expected="a name that a folder can have",
            action="call the class otherwise in the list",
        )
    split = f"{face.split}/" if splits and {*splits} <= {*SPLITS.values()} else ""
    stem = re.sub(r"[^\w-]+", "-", Path(original).stem)
    return f"{split}{face.label}/{stem}-{hashlib.sha256(original.encode()).hexdigest()[:8]}.png"


def original_name(picture: Picture, root: Path) -> str:
    """A picture's name relative to the raw folder, with forward slashes; its own where it lies elsewhere."""
    if isinstance(picture, PictureFile) and picture.path.is_relative_to(root):
        return picture.path.relative_to(root).as_posix()
    return picture.name


def _table(kept: Iterable[tuple[Face, Outcome]]) -> str:
    """A csv face set of the crops, with all that is known of every face."""
    kept = [*kept]
    known = [name for name in ATTRIBUTES if all(getattr(face, name) not in (None, "") for face, _ in kept)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "label", *known])
    for face, outcome in kept:
        writer.writerow([outcome.path, face.label, *(getattr(face, name) for name in known)])
    return text.getvalue()


def _read(journal: Path) -> list[Any]:
    """The journal's whole lines; what an interruption cut short is left out."""
    try:
        text = journal.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return []
    values = []
    for line in text.splitlines():
        with suppress(ValueError):
            values.append(json.loads(line))
    return values
