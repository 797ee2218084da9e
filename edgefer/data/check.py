"""Looks at a face set whole, and tells everything that is wrong at once."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from edgefer.data.decode import in_threads
from edgefer.data.leakage import find_duplicates
from edgefer.data.listing import Face, Listing, Problem, Problems
from edgefer.data.pictures import Picture
from edgefer.data.progress import Progress
from edgefer.data.registry import Place, face_set, list_faces
from edgefer.data.whole_photos import warn_of_whole_photos
from edgefer_runtime.errors import DataError

FEW = 10
"""Faces of a class in a split below which it is called nearly empty."""


@dataclass(frozen=True)
class Findings:
    """What a folder holds.

    Attributes:
        name: the set it was recognised as.
        path: where it is.
        layout: which of the set's published forms.
        faces: how many have a class.
        per_split: split -> class -> faces; the split is "all" where the set has none.
        sizes: "W x H" -> pictures, the most frequent first.
        subjects: how many people, None where the set does not say.
        attributes: what else is known of the faces.
        left_out: what the set holds on purpose beside faces with a class.
        problems: what is wrong; those that are ``refused`` keep it from being loaded.
    """

    name: str
    path: str
    layout: str
    faces: int
    per_split: dict[str, dict[str, int]]
    sizes: dict[str, int]
    subjects: int | None
    attributes: tuple[str, ...]
    left_out: dict[str, int]
    problems: tuple[Problem, ...]

    @property
    def refused(self) -> bool:
        """Whether loading refuses the set."""
        return any(problem.refused for problem in self.problems)

    def to_json(self) -> dict[str, Any]:
        """The findings as a JSON object."""
        return {**asdict(self), "refused": self.refused}


def check(place: Place, progress: Progress | None = None) -> Findings:
    """Read the lists and every picture of a set, all splits together or the one that is named.

    Args:
        place: what to look at.
        progress: called with (pictures read, pictures in all).

    Raises:
        UsageError: the set has no such split.
        DataError: the folder does not hold the set, or one of its lists cannot be read at all.
    """
    listing = list_faces(place).of_split(place.split)
    problems = listing.problems
    if not listing.faces:
        problems.refuse("sets without a face", str(place.path), "see what else is wrong")
    sizes = _look(listing.faces, problems, progress)
    warn_of_whole_photos([face.picture for face in listing.faces], problems)
    _warn_of_shared_subjects(listing.faces, problems)
    if not any(problem.refused for problem in problems.found.values()):
        _warn_of_alike(listing, problems, progress)
    per_split = _count(listing, problems)
    subjects = {face.subject for face in listing.faces} - {None}
    return Findings(
        name=place.dataset.name,
        path=str(place.path),
        layout=listing.layout,
        faces=len(listing.faces),
        per_split=per_split,
        sizes={f"{width} x {height}": count for (width, height), count in sizes.most_common()},
        subjects=len(subjects) or None,
        attributes=tuple(listing.attributes()) if listing.faces else (),
        left_out={name: count for name, count in listing.left_out.items() if count},
        problems=tuple(problems.found.values()),
    )


def _look(faces: Sequence[Face], problems: Problems, progress: Progress | None) -> Counter[tuple[int, int]]:
    """The pictures' sizes; notes those that cannot be read and those that are there twice."""
    sizes = Counter[tuple[int, int]]()
    first: dict[bytes, Face] = {}
    looks = in_threads(_size_and_digest, [face.picture for face in faces], progress)
    for face, seen in zip(faces, looks, strict=True):
        if isinstance(seen, DataError):
            problems.refuse("pictures that cannot be read", seen.found, seen.action)
            continue
        size, digest = seen
        sizes[size] += 1
        twin = first.setdefault(digest, face)
        if twin is face:
            continue
        both = f"{twin.picture.name} and {face.picture.name}"
        if twin.label != face.label:
            problems.warn("equal pictures with different labels", both, "decide which label is right")
        if twin.split != face.split:
            problems.warn("equal pictures in two splits", both, "they are refused when a model is trained")
        elif twin.label == face.label:
            problems.warn("equal pictures", both)
    return sizes


def _size_and_digest(picture: Picture) -> tuple[tuple[int, int], bytes] | DataError:
    try:
        size = picture.size()
        return size, hashlib.sha256(repr(size).encode() + picture.pixels(*size).tobytes()).digest()
    except DataError as error:
        return error


def _warn_of_shared_subjects(faces: Sequence[Face], problems: Problems) -> None:
    splits_of = defaultdict(set)
    for face in faces:
        if face.subject is not None:
            splits_of[face.subject].add(face.split)
    for subject, splits in sorted(splits_of.items()):
        if len(splits) > 1:
            problems.warn("subjects in two splits", f"{subject} ({', '.join(sorted(splits))})")


def _warn_of_alike(listing: Listing, problems: Problems, progress: Progress | None) -> None:
    """Note pictures that look alike in two splits without being equal."""
    splits = Counter(face.split for face in listing.faces)
    if len(splits) < 2:
        return
    parts = [listing.of_split(name) for name, _ in splits.most_common()]
    pictured = [(part.faces, face_set(part, listing.name, progress=progress)) for part in parts]
    for (larger, images), (smaller, others) in combinations(pictured, 2):
        for pair in find_duplicates(images, others):
            if pair.kind == "perceptual" or pair.mirrored:
                first = larger[pair.first_index].picture.name
                second = smaller[pair.second_index].picture.name
                mirrored = " in a mirror" if pair.mirrored else ""
                problems.warn("pictures alike in two splits", f"{first} and {second}{mirrored}")


def _count(listing: Listing, problems: Problems) -> dict[str, dict[str, int]]:
    """Faces of each class in each split; notes classes that are nearly empty."""
    counts = Counter((face.split, face.label) for face in listing.faces)
    splits = list(dict.fromkeys(face.split for face in listing.faces))
    per_split = {split or "all": {name: counts[split, name] for name in listing.classes} for split in splits}
    for split, per_class in per_split.items():
        for name, count in per_class.items():
            if count < FEW:
                problems.warn(
                    "classes nearly empty", f"{name} in {split}: {count}", "results on them say little"
                )
    return per_split
