"""FERPlus (Barsoum et al. 2016): FER2013's pictures with ten people's votes each, eight classes.

``fer2013new.csv`` has a row for each row of ``fer2013.csv``, in the same order: usage, picture name, and
votes for eight expressions, "unknown" and "NF" (no face). Two forms are read:

    fer2013new.csv, fer2013.csv
    FER2013Train/fer0000000.png ... label.csv; FER2013Valid/...; FER2013Test/...

``label.csv`` has no header: name, perhaps a box, the ten votes. Where it is missing, ``fer2013new.csv``
beside the folders has the votes.

The label is the majority by the publisher's own rule: an expression with one vote counts as none, and the
winner has more than half of the remaining votes. Faces without one, those that "unknown" or "NF" win, and
rows without a picture's name are left out. ``votes`` are the eight expressions' remaining votes as shares.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from edgefer.data.files import listed, picture_files, warn_of_unlisted
from edgefer.data.labels import EIGHT
from edgefer.data.listing import Face, Gathered, Listing, Problems
from edgefer.data.pictures import Picture, PixelRow
from edgefer.data.sets.fer2013 import NAMES, SIDE, USAGES, fer_rows
from edgefer.data.tables import first_of, records, rows, whole_number
from edgefer_runtime.errors import DataError

CANDIDATES = (
    "neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF",
)  # fmt: skip
"""What can be voted for, in the order of ``label.csv``; ``fer2013new.csv`` names its columns."""
FOLDERS: Mapping[str, str] = {"FER2013Train": "train", "FER2013Valid": "val", "FER2013Test": "test"}
"""Folder -> split."""
PLACES = ("", "data", "images", "Images")
"""Where the folders may lie."""


class Ballot(NamedTuple):
    """The votes on one picture, in the order of :data:`CANDIDATES`, with the split and name it bears."""

    where: str
    split: str
    name: str
    counts: tuple[int, ...]


def majority(counts: tuple[int, ...]) -> str:
    """The winner among :data:`CANDIDATES`; empty when nobody has more than half of the votes that count."""
    strong = [count if count > 1 else 0 for count in counts]
    best = max(strong)
    return CANDIDATES[strong.index(best)] if 2 * best > sum(strong) else ""


def shares(counts: tuple[int, ...]) -> tuple[float, ...]:
    """The eight expressions' votes, those with one vote left out, in the order of edgefer's classes."""
    strong = {name: count if count > 1 else 0 for name, count in zip(CANDIDATES, counts, strict=True)}
    total = sum(strong[name] for name in EIGHT)
    return tuple(strong[name] / total for name in EIGHT)


def recognises(path: Path) -> bool:
    """A folder with ``fer2013new.csv`` or the three picture folders."""
    return path.is_dir() and ((path / NAMES).is_file() or _picture_folders(path) is not None)


def read(path: Path) -> Listing:
    """FERPlus in either form.

    Raises:
        DataError: it is in neither, a file cannot be read as a table, or the two tables differ in length.
    """
    folders = _picture_folders(path)
    table = first_of(path, ("fer2013.csv", "fer2013/fer2013.csv"))
    if folders is None and (table is None or not (path / NAMES).is_file()):
        raise DataError(
            f"{path} is not FERPlus with pictures",
            expected=f"{NAMES} with fer2013.csv beside it, or folders {', '.join(FOLDERS)} with pictures",
            action="put FER2013's fer2013.csv beside the votes: FERPlus itself has no pictures",
        )
    problems = Problems()
    gathered, left_out = Gathered(problems), Counter[str]()
    pairs = (
        _from_folders(folders, path / NAMES, problems)
        if folders
        else _from_tables(table or path, path / NAMES, problems)
    )
    for ballot, picture in pairs:
        winner = majority(ballot.counts) if ballot.name else "NF"
        if winner in EIGHT:
            gathered.add(Face(picture, winner, ballot.split, votes=shares(ballot.counts)))
        else:
            left_out[{"": "no majority", "NF": "no face"}.get(winner, winner)] += 1
    return Listing(
        name="ferplus",
        path=path,
        layout=f"folders {', '.join(FOLDERS)}" if folders else f"{NAMES} and fer2013.csv",
        classes=EIGHT,
        faces=gathered.faces,
        splits=("train", "val", "test"),
        left_out=left_out,
        problems=problems,
    )


def _from_tables(table: Path, votes: Path, problems: Problems) -> Iterator[tuple[Ballot, Picture]]:
    ballots = list(_named_ballots(votes, problems))
    faces = list(fer_rows(table, problems))
    if len(ballots) != len(faces):
        raise DataError(
            f"{votes} has {len(ballots):,} rows and {table} {len(faces):,}",
            expected="a row for each row, in the same order",
            action="get both files anew",
        )
    for ballot, face in zip(ballots, faces, strict=True):
        if ballot is None or not face.grey:
            continue
        if ballot.split != face.split:
            problems.refuse("rows with two usages", ballot.where, "get both files anew")
        else:
            yield ballot, PixelRow(f"{table.name}, line {face.line} ({ballot.name})", face.grey, SIDE)


def _from_folders(root: Path, votes: Path, problems: Problems) -> Iterator[tuple[Ballot, Picture]]:
    by_folder: dict[str, list[Ballot]] = {name: [] for name in FOLDERS}
    if all((root / name / "label.csv").is_file() for name in FOLDERS):
        for name, split in FOLDERS.items():
            by_folder[name] = list(_unnamed_ballots(root / name / "label.csv", split, problems))
    else:
        folder_of = {split: name for name, split in FOLDERS.items()}
        for ballot in filter(None, _named_ballots(votes, problems)):
            if ballot.name:
                by_folder[folder_of[ballot.split]].append(ballot)
    for name, ballots in by_folder.items():
        for ballot in ballots:
            if picture := listed(root / name, ballot.name, problems):
                yield ballot, picture
        known = {root / name / ballot.name for ballot in ballots}
        warn_of_unlisted(picture_files(root / name), known, problems)


def _named_ballots(votes: Path, problems: Problems) -> Iterator[Ballot | None]:
    """A ballot a row of ``fer2013new.csv``, None for a damaged one; pictures of no face have no name."""
    for line, row in rows(votes, ("Usage", "Image name", *CANDIDATES)):
        where = f"{votes.name}, line {line}"
        counts = _counts([row[name.lower()] for name in CANDIDATES], where, problems)
        split = USAGES.get(row["usage"], "")
        if not split:
            problems.refuse(f"usages other than {', '.join(USAGES)}", where, "get the file anew")
        yield Ballot(where, split, row["image name"], counts) if counts and split else None


def _unnamed_ballots(path: Path, split: str, problems: Problems) -> Iterator[Ballot]:
    for line, fields in records(path):
        where = f"{path}, line {line}"
        if counts := _counts(fields[1:][-len(CANDIDATES) :], where, problems):
            yield Ballot(where, split, fields[0], counts)


def _counts(fields: list[str], where: str, problems: Problems) -> tuple[int, ...]:
    """The votes as numbers, none where they are not ten of them."""
    counts = tuple(map(whole_number, fields))
    if len(counts) == len(CANDIDATES) and min(counts) >= 0:
        return counts
    problems.refuse("rows without ten counts of votes", where, "get the file anew")
    return ()


def _picture_folders(path: Path) -> Path | None:
    """The folder that holds the three picture folders."""
    for place in PLACES:
        if all(_has_picture(path / place / name) for name in FOLDERS):
            return path / place
    return None


def _has_picture(folder: Path) -> bool:
    return folder.is_dir() and next(picture_files(folder), None) is not None
