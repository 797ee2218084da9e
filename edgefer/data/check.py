"""Looks at a face set whole, and tells everything that is wrong at once."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgefer.data.decode import in_threads
from edgefer.data.labels import EIGHT
from edgefer.data.listing import Face, Listing, Problem, Problems, readable
from edgefer.data.lookalikes import alike_pairs, distance_between, measured
from edgefer.data.pictures import Picture
from edgefer.data.progress import Progress
from edgefer.data.registry import OWN_SETS, Place, face_set, list_faces
from edgefer.data.shapes import no_crop
from edgefer.data.thumbnails import vectors_of
from edgefer.data.understood import departures, renamings
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
        names: what folders or labels are called -> the class they are taken for, where it has another name.
        own_classes: classes that are no expressions.
        faces: how many have a class.
        per_split: split -> class -> faces; the split is "all" where the set has none.
        sizes: "W x H" -> pictures, the most frequent first.
        subjects: how many people, None where the set does not say.
        attributes: what else is known of the faces.
        left_out: what the set holds on purpose beside faces with a class.
        missing: where a published set has other counts than its publisher gives, with both.
        untrained: classes without a face in the split that trains.
        problems: what is wrong; those that are ``refused`` keep it from being loaded.
    """

    name: str
    path: str
    layout: str
    names: dict[str, str]
    own_classes: tuple[str, ...]
    faces: int
    per_split: dict[str, dict[str, int]]
    sizes: dict[str, int]
    subjects: int | None
    attributes: tuple[str, ...]
    left_out: dict[str, int]
    missing: tuple[str, ...]
    untrained: tuple[str, ...]
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
    sizes, digests = _look(listing.faces, problems, progress)
    if place.dataset.name in OWN_SETS:
        _judge_shapes(sizes, problems)
    warn_of_whole_photos([face.picture for face in listing.faces], problems)
    _warn_of_shared_subjects(listing.faces, problems)
    if not any(problem.refused for problem in problems.found.values()):
        _warn_of_alike(listing, digests, problems, progress)
    per_split = _count(listing, problems)
    subjects = {face.subject for face in listing.faces} - {None}
    return Findings(
        name=place.dataset.name,
        path=str(place.path),
        layout=listing.layout,
        names=renamings(listing.words),
        own_classes=tuple(readable(name) for name in listing.classes if name not in EIGHT),
        faces=len(listing.faces),
        per_split=per_split,
        sizes={f"{width} x {height}": count for (width, height), count in sizes.most_common()},
        subjects=len(subjects) or None,
        attributes=tuple(listing.attributes()) if listing.faces else (),
        left_out={name: count for name, count in listing.left_out.items() if count},
        missing=tuple(departures(listing, place.dataset)),
        untrained=tuple(name for name, count in per_split.get("train", {}).items() if not count),
        problems=tuple(problems.found.values()),
    )


def _look(
    faces: Sequence[Face], problems: Problems, progress: Progress | None
) -> tuple[Counter[tuple[int, int]], list[bytes]]:
    """The pictures' sizes and digests; notes those that cannot be read and those that are there twice."""
    digests = []
    sizes = Counter[tuple[int, int]]()
    first: dict[bytes, Face] = {}
    looks = in_threads(_size_and_digest, [face.picture for face in faces], progress)
    for face, seen in zip(faces, looks, strict=True):
        if isinstance(seen, DataError):
            problems.refuse("pictures that cannot be read", seen.found, seen.action)
            digests.append(b"")
            continue
        size, digest = seen
        digests.append(digest)
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
    return sizes, digests


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


def _judge_shapes(sizes: Counter[tuple[int, int]], problems: Problems) -> None:
    """Note pictures shaped like no face crop; most of them being so refuses the set."""
    wrong = {size: count for size, count in sizes.items() if no_crop(*size)}
    action = "crop the faces first: edgefer datasets prepare"
    note = problems.refuse if 2 * sum(wrong.values()) > sum(sizes.values()) else problems.warn
    for (width, height), count in wrong.items():
        note("sizes of pictures that are shaped like no face crop", f"{width} x {height} ({count:,})", action)


def _warn_of_alike(
    listing: Listing, digests: Sequence[bytes], problems: Problems, progress: Progress | None
) -> None:
    """Note pictures that look alike without being equal, with different labels or in two splits."""
    images = measured(face_set(listing, listing.name, progress=progress))
    _, equal = np.unique(np.array([digest.hex() for digest in digests]), return_inverse=True)
    _, split = np.unique(np.array([face.split for face in listing.faces]), return_inverse=True)
    faces, alike = listing.faces, 0
    for pairs in alike_pairs(vectors_of(images), distance_between(images)):
        known = (equal[pairs.first] == equal[pairs.second]) & (not pairs.mirrored)
        apart = split[pairs.first] != split[pairs.second]
        relabelled = images.labels[pairs.first] != images.labels[pairs.second]
        for noted, what, action in (
            (apart, "pictures alike in two splits", ""),
            (relabelled, "pictures alike with different labels", "decide which label is right"),
        ):
            for index in np.flatnonzero(noted & ~known).tolist():
                first, second = faces[pairs.first[index]], faces[pairs.second[index]]
                names = first.picture.name, second.picture.name
                if relabelled[index]:
                    names = f"{names[0]} ({first.label})", f"{names[1]} ({second.label})"
                problems.warn(what, " and ".join(names) + (" in a mirror" if pairs.mirrored else ""), action)
        alike += int((~known & ~apart & ~relabelled).sum())
    if alike:
        problems.warn(
            "pictures alike", f"{alike:,} pairs", "they go to one side together where edgefer deals the set"
        )


def _count(listing: Listing, problems: Problems) -> dict[str, dict[str, int]]:
    """Faces of each class in each split; notes classes that are nearly empty."""
    per_split = listing.counts()
    for split, per_class in per_split.items():
        for name, count in per_class.items():
            if count < FEW:
                problems.warn(
                    "classes nearly empty", f"{name} in {split}: {count}", "results on them say little"
                )
    return per_split
