"""Who is trained on and who is tested: folds and splits, the same for the same seed.

Faces of one person are alike in far more than expression. Folds are therefore made of whole people, as the
protocols of KDEF (5 folds) and CK+ (10 folds) want it; :func:`image_folds` deals single pictures, for sets
that name no people and for comparison with papers that did so. Pictures that are nearly the same go to one
side together in either (:mod:`edgefer.data.lookalikes`).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgefer.data.faceset import FaceSet
from edgefer.data.leakage import shared_pictures
from edgefer.data.lookalikes import alike_pairs, distance_between, find_lookalikes, joined, measured
from edgefer.data.thumbnails import vectors_of
from edgefer_runtime.errors import DataError

log = logging.getLogger("edgefer.faces")

Indices = NDArray[np.int64]
Fold = tuple[Indices, Indices]
"""Indices to train on and indices to test on, both in ascending order."""

SHOWN = 3
"""Pairs that a message names."""
TOO_LARGE = 2
"""Times the share to be held out from which another fold is taken for it."""


def subject_folds(faces: FaceSet, k: int, seed: int = 0) -> list[Fold]:
    """``k`` folds in which every face is tested once and never by a network that knows the person.

    Sizes differ by no more than the largest person's pictures. Within that, each person, those with the
    most pictures first, goes where the classes of its pictures are rarest so far. People of whom pictures
    are nearly the same count as one.

    Args:
        faces: a set with the attribute ``subject``.
        k: number of folds.
        seed: decides between people with equally many pictures.

    Raises:
        DataError: the set does not name its subjects, or has fewer than ``k``; or ``k`` is below two.
    """
    if "subject" not in faces.attributes:
        raise DataError(
            f"{faces.name} does not say who is in its pictures",
            expected="the attribute `subject`",
            action="ask for folds of single pictures, and mind that people may then be on both sides",
        )
    people, owner = np.unique(faces.attributes["subject"], return_inverse=True)
    _require(faces, k, len(people), "people")
    faces = measured(faces)
    together = joined(owner, _together(faces))
    if len(np.unique(together)) < k:
        raise _alike_people(faces, owner, k, len(np.unique(together)))
    return _dealt(faces, together, k, seed, "people")


def image_folds(faces: FaceSet, k: int, seed: int = 0) -> list[Fold]:
    """``k`` folds of single pictures, each class dealt out evenly; a person may be in all of them.

    Raises:
        DataError: the set has fewer than ``k`` pictures that do not look alike, or ``k`` is below two.
    """
    _require(faces, k, len(faces), "pictures")
    return _of_pictures(faces, _together(faces), k, seed)


def hold_out(faces: FaceSet, share: float = 0.1, seed: int = 0) -> tuple[FaceSet, FaceSet]:
    """(kept, held): about ``share`` of the faces held out, whole people where the set names two or more.

    Every class stays among those that are kept. Where nothing can be held out whole, as when each class is
    one video, the last frames of each are, and what looks like them is in neither part.

    Raises:
        DataError: the set has fewer than two faces, or they all look alike.
    """
    _require(faces, 2, len(faces), "pictures")
    faces = measured(faces)
    owner, named = _together(faces), faces.attributes.get("subject")
    people, subject = (
        np.unique(named, return_inverse=True)
        if named is not None
        else (np.zeros(1), np.zeros(len(faces), int))
    )
    if by_people := len(people) > 1:
        owner = joined(subject, owner)
    k = min(max(2, round(1 / share)), len(people) if by_people else len(faces), len(np.unique(owner)))
    kept, held = np.arange(len(faces)), np.zeros(0, np.int64)
    if k > 1:
        folds = (_dealt if by_people else _of_pictures)(faces, owner, k, seed)
        for fold in _nearest(folds, share * len(faces)):
            kept, held = _with_every_class(faces, owner, *folds[fold])
            if len(held):
                break
    if in_time := not len(held):
        kept, held = _cut_in_time(faces, share)
    if named is not None and (in_time or not by_people):
        people_told = "people who look alike" if by_people else "one person"
        log.warning(f"{faces.name} shows {people_told}: what is held out says nothing about others")
        faces = anonymous(faces)
    return faces.take(kept, f"{faces.name} (kept)"), faces.take(held, f"{faces.name} (held out)")


def eighty_ten_ten(faces: FaceSet, seed: int = 0) -> tuple[Indices, Indices, Indices]:
    """(train, validation, test) of single pictures, each class alike: the split of PAtt-Lite's authors.

    It is their own for FER2013 and FERPlus, whose official splits are others: its results compare with
    that paper only. Every class stays in training.

    Raises:
        DataError: the set has fewer than ten pictures that do not look alike.
    """
    _require(faces, 10, len(faces), "pictures")
    owner = _together(faces)
    folds = _of_pictures(faces, owner, 10, seed)
    train = np.arange(len(faces))
    parts = []
    for fold in sorted(_nearest(folds, len(faces) / 10)[:2]):
        held = folds[fold][1]
        train, held = _with_every_class(faces, owner, np.setdiff1d(train, held), held)
        parts.append(held)
    return train, parts[0], parts[1]


def anonymous(faces: FaceSet) -> FaceSet:
    """The set without the names of its people, where they are meant to be on several sides."""
    return replace(faces, attributes={name: v for name, v in faces.attributes.items() if name != "subject"})


def _of_pictures(faces: FaceSet, owner: Indices, k: int, seed: int) -> list[Fold]:
    """Folds of pictures, those of one owner in one fold."""
    if len(np.unique(owner)) < len(owner):
        return _dealt(faces, owner, k, seed, "pictures that do not look alike")
    shuffled = np.random.default_rng(seed).permutation(len(faces))
    by_class = shuffled[np.argsort(faces.labels[shuffled], kind="stable")]
    fold_of = np.empty(len(faces), np.int64)
    fold_of[by_class] = np.arange(len(faces)) % k
    return _folds(fold_of, k)


def _dealt(faces: FaceSet, owner: Indices, k: int, seed: int, what: str = "owners") -> list[Fold]:
    """Folds of whole owners, classes as even as they get."""
    owners, owner = np.unique(owner, return_inverse=True)
    _require(faces, k, len(owners), what)
    pictures = np.zeros((len(owners), len(faces.classes)))
    np.add.at(pictures, (owner, faces.labels), 1)
    rarity = 1 / np.maximum(pictures.sum(0), 1)
    sizes = pictures.sum(1)

    order = np.random.default_rng(seed).permutation(len(owners))
    order = order[np.argsort(-sizes[order], kind="stable")]
    held = np.zeros((k, len(faces.classes)))
    fold_of = np.empty(len(owners), np.int64)
    for one in order:
        full = held.sum(1)
        open_folds = np.flatnonzero(full + sizes[one] <= full.min() + sizes.max())
        crowding = (held[open_folds] * pictures[one] * rarity).sum(1)
        fold_of[one] = open_folds[np.lexsort((full[open_folds], crowding))[0]]
        held[fold_of[one]] += pictures[one]
    return _folds(fold_of[owner], k)


def _alike_people(faces: FaceSet, owner: Indices, k: int, left: int) -> DataError:
    """What to say of people whose pictures are nearly the same, and therefore too few for the folds."""
    pairs = [
        (int(i), int(j))
        for found in alike_pairs(vectors_of(faces), distance_between(faces))
        for i, j in zip(found.first, found.second, strict=True)
        if owner[i] != owner[j]
    ]
    named = faces.attributes["subject"]
    shown = ", ".join(
        f"{faces.called(i)} ({named[i]}) = {faces.called(j)} ({named[j]})" for i, j in pairs[:SHOWN]
    )
    return DataError(
        f"pictures are both in one person's part of {faces.name} and in another's: {len(pairs)} pairs, first "
        f"{shown}; together these people are one, which leaves {left} for {k} folds",
        expected="different pictures of different people",
        action="mend the names of the people or take the copies out, or ask for fewer folds",
    )


def _nearest(folds: Sequence[Fold], wanted: float) -> list[int]:
    """The folds' numbers, the first ones first unless they are much larger than what is wanted."""
    off = [len(held) > TOO_LARGE * wanted and abs(len(held) - wanted) for _, held in folds]
    return sorted(range(len(folds)), key=lambda fold: off[fold])


def _with_every_class(
    faces: FaceSet, owner: Indices, kept: Indices, held: Indices
) -> tuple[Indices, Indices]:
    """The two parts, the smallest owner of each class that would all be held out moved to those kept."""
    for label in np.setdiff1d(faces.labels[held], faces.labels[kept]):
        if label in faces.labels[kept]:
            continue
        owners, counts = np.unique(owner[held], return_counts=True)
        having = np.isin(owners, owner[held][faces.labels[held] == label])
        moved = owner[held] == owners[having][counts[having].argmin()]
        kept, held = np.sort(np.concatenate([kept, held[moved]])), held[~moved]
    return kept, held


def _cut_in_time(faces: FaceSet, share: float) -> tuple[Indices, Indices]:
    """The last frames of each class held out, in the order of their names.

    What looks like them is in neither part. A class of which nothing would be left is kept whole.

    Raises:
        DataError: nothing can be held out.
    """
    order = np.array(sorted(range(len(faces)), key=lambda index: _natural(faces.called(index))))
    last = []
    for label in range(len(faces.classes)):
        frames = order[faces.labels[order] == label]
        last.append(
            frames[len(frames) - max(1, round(share * len(frames))) :] if len(frames) > 1 else frames[:0]
        )
    held = np.sort(np.concatenate(last))
    rest = np.setdiff1d(np.arange(len(faces)), held)
    kept = _unlike(faces, rest, held)
    gone = np.setdiff1d(faces.labels, faces.labels[kept])
    held = held[~np.isin(faces.labels[held], gone)]
    kept = np.union1d(_unlike(faces, rest, held), np.flatnonzero(np.isin(faces.labels, gone)))
    held = _unlike(faces, held, kept)
    if not len(held):
        raise DataError(
            f"{faces.name}: all pictures of a class are nearly the same, so that none can be held out",
            expected="different pictures of each class: several videos, people or takes",
            action="add such pictures, or name other faces to choose the best epoch with: --validation SET",
        )
    if dropped := len(faces) - len(kept) - len(held):
        log.warning(
            f"{faces.name}: each class is one video: its last frames are held out, and {dropped:,} that "
            "look like them are left out"
        )
    return kept, held


def _unlike(faces: FaceSet, chosen: Indices, others: Indices) -> Indices:
    """Those of the chosen that are not nearly the same as any of the others."""
    if not len(chosen) or not len(others):
        return chosen
    leaked = {pair.first_index for pair in shared_pictures(faces.take(chosen), faces.take(others))}
    return np.delete(chosen, sorted(leaked))


def _natural(name: str) -> list[tuple[int, str]]:
    """A key by which frame 10 comes after frame 9."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name) if part]


def _folds(fold_of: Indices, k: int) -> list[Fold]:
    return [(np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)) for fold in range(k)]


def _require(faces: FaceSet, k: int, available: int, what: str) -> None:
    if not 2 <= k <= available:
        raise DataError(
            f"{k} folds of {faces.name}, which has {available} {what}",
            expected=f"2 to {available} folds" if available > 1 else f"two {what} or more",
        )


def _together(faces: FaceSet) -> Indices:
    """Which pictures go to one side, those with the same number; tells of copies with different labels."""
    found = find_lookalikes(faces)
    if found.relabelled:
        pairs = "; ".join(
            f"{faces.called(i)} ({faces.classes[faces.labels[i]]}) and "
            f"{faces.called(j)} ({faces.classes[faces.labels[j]]})"
            for i, j in found.relabelled[:SHOWN]
        )
        log.warning(
            f"{faces.name}: {found.relabelled_count:,} pairs of pictures that are nearly the same have "
            f"different labels: {pairs}"
        )
    return found.group
