"""Who is trained on and who is tested: folds and splits, the same for the same seed.

Faces of one person are alike in far more than expression. Folds are therefore made of whole people, as the
protocols of KDEF (5 folds) and CK+ (10 folds) want it; :func:`image_folds` deals single pictures, for sets
that name no people and for comparison with papers that did so.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgefer.data.faceset import FaceSet
from edgefer_runtime.errors import DataError

Indices = NDArray[np.int64]
Fold = tuple[Indices, Indices]
"""Indices to train on and indices to test on, both in ascending order."""


def subject_folds(faces: FaceSet, k: int, seed: int = 0) -> list[Fold]:
    """``k`` folds in which every face is tested once and never by a network that knows the person.

    Sizes differ by no more than the largest person's pictures. Within that, each person, those with the
    most pictures first, goes where the classes of its pictures are rarest so far.

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
    pictures = np.zeros((len(people), len(faces.classes)))
    np.add.at(pictures, (owner, faces.labels), 1)
    rarity = 1 / np.maximum(pictures.sum(0), 1)
    sizes = pictures.sum(1)

    order = np.random.default_rng(seed).permutation(len(people))
    order = order[np.argsort(-sizes[order], kind="stable")]
    held = np.zeros((k, len(faces.classes)))
    fold_of = np.empty(len(people), np.int64)
    for person in order:
        full = held.sum(1)
        open_folds = np.flatnonzero(full + sizes[person] <= full.min() + sizes.max())
        crowding = (held[open_folds] * pictures[person] * rarity).sum(1)
        fold_of[person] = open_folds[np.lexsort((full[open_folds], crowding))[0]]
        held[fold_of[person]] += pictures[person]
    return _folds(fold_of[owner], k)


def image_folds(faces: FaceSet, k: int, seed: int = 0) -> list[Fold]:
    """``k`` folds of single pictures, each class dealt out evenly; a person may be in all of them.

    Raises:
        DataError: the set has fewer than ``k`` pictures, or ``k`` is below two.
    """
    _require(faces, k, len(faces), "pictures")
    shuffled = np.random.default_rng(seed).permutation(len(faces))
    by_class = shuffled[np.argsort(faces.labels[shuffled], kind="stable")]
    fold_of = np.empty(len(faces), np.int64)
    fold_of[by_class] = np.arange(len(faces)) % k
    return _folds(fold_of, k)


def hold_out(faces: FaceSet, share: float = 0.1, seed: int = 0) -> tuple[FaceSet, FaceSet]:
    """(kept, held): about ``share`` of the faces held out, whole people where the set names two or more.

    Raises:
        DataError: the set has fewer than two faces.
    """
    k = max(2, round(1 / share))
    people = len(np.unique(faces.attributes["subject"])) if "subject" in faces.attributes else 0
    if people > 1:
        kept, held = subject_folds(faces, min(k, people), seed)[0]
    else:
        kept, held = image_folds(faces, min(k, len(faces)), seed)[0]
    return faces.take(kept, f"{faces.name} (kept)"), faces.take(held, f"{faces.name} (held out)")


def eighty_ten_ten(faces: FaceSet, seed: int = 0) -> tuple[Indices, Indices, Indices]:
    """(train, validation, test) of single pictures, each class alike: the split of PAtt-Lite's authors.

    It is their own for FER2013 and FERPlus, whose official splits are others: its results compare with
    that paper only.

    Raises:
        DataError: the set has fewer than ten pictures.
    """
    folds = image_folds(faces, 10, seed)
    validation, test = folds[0][1], folds[1][1]
    return np.intersect1d(folds[0][0], folds[1][0]), validation, test


def _folds(fold_of: Indices, k: int) -> list[Fold]:
    return [(np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)) for fold in range(k)]


def _require(faces: FaceSet, k: int, available: int, what: str) -> None:
    if not 2 <= k <= available:
        raise DataError(
            f"{k} folds of {faces.name}, which has {available} {what}",
            expected=f"2 to {available} folds" if available > 1 else f"two {what} or more",
        )
