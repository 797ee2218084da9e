"""The leakage guard: no picture and no person on both sides of a training.

Two pictures are compared by the correlation of their thumbnails (:mod:`edgefer.data.thumbnails`). Brightness,
contrast, colour, size and JPEG barely move it, and mirror images are found by comparing with the flipped
thumbnail as well. Nothing is hashed, so nothing is missed by the bits of a hash: :func:`find_duplicates`
finds every pair above the threshold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from edgefer.data.faceset import FaceSet
from edgefer.data.lookalikes import distance_between
from edgefer.data.thumbnails import FLAT, PARTNERS, Floats, mirrored, thumbnails
from edgefer.data.thumbnails import screen as screened
from edgefer.data.thumbnails import unit as unit
from edgefer_runtime.errors import DataError

THRESHOLD = 0.98
"""Correlation from which two pictures are one. Of SynthFER's 7.7 million pairs of different people in the
same poses and lights none comes above 0.977, mirrored or not; between train and eval, two people in profile
reach 0.990. The same picture keeps 0.995 at JPEG quality
30 or at 48 pixels, and 0.98 at both; when light grey clips to white, 99 pictures in 100 keep 0.98."""

SHOWN = 3
"""Pairs and people that an error names."""


@dataclass(frozen=True)
class Duplicate:
    """Two pictures that are one.

    Attributes:
        first_index, second_index: where they are in the two sets.
        kind: ``"exact"`` when every pixel agrees, ``"perceptual"`` when only the look does.
        mirrored: one is the other in a mirror.
        distance: 1 - correlation of the thumbnails, 0..0.02.
    """

    first_index: int
    second_index: int
    kind: Literal["exact", "perceptual"]
    mirrored: bool
    distance: float


def find_duplicates(first: FaceSet, second: FaceSet, *, threshold: float = THRESHOLD) -> list[Duplicate]:
    """Every picture of ``first`` that is also in ``second``, in the order of ``first``.

    Pictures of one colour are duplicates only of the very same pixels. Images may be memory-mapped: they
    are read once, a slice at a time.

    Args:
        first, second: two sets, of any picture sizes; the second one's thumbnails (2.3 kB each) are held
            in memory.
        threshold: correlation from which two pictures are one.
    """
    if not len(second):
        return []
    upright = np.concatenate([unit(thumbs) for _, thumbs in thumbnails(second)])
    views = [
        (flipped, view, screened(view)[:, PARTNERS])
        for flipped, view in ((True, mirrored(upright)), (False, upright))
    ]
    found = []
    for start, thumbs in thumbnails(first):
        pairs: dict[tuple[int, int], Duplicate] = {}
        for flipped, view, screen in views:
            for row, column, distance in _alike(unit(thumbs), view, screen, threshold):
                pair = start + row, column
                exact = _same_pixels(first, second, *pair, flipped)
                if exact or distance <= 1 - threshold:
                    kind: Literal["exact", "perceptual"] = "exact" if exact else "perceptual"
                    pairs[pair] = Duplicate(*pair, kind, flipped, 0.0 if exact else distance)
        found += [pairs[pair] for pair in sorted(pairs)]
    return found


def guard(*sets: FaceSet) -> None:
    """Check that no two of these sets share a picture or, as far as they name them, a person.

    Subjects are compared between parts of one set (``kdef:...`` with ``kdef:...``): numbers that different
    sets gave to their people mean nothing to each other.

    Raises:
        DataError: they do; it tells how many and names the first.
    """
    for first, second in combinations(sets, 2):
        if people := shared_subjects(first, second):
            named = ", ".join(map(str, people[:SHOWN]))
            raise DataError(
                f"people are both in {first.name} and in {second.name}: {len(people)}, first {named}",
                expected="nobody in two of the sets that train, choose and test",
                action="split the set by subject (edgefer train --folds), or name other sets",
            )
        if duplicates := shared_pictures(first, second):
            exact = sum(duplicate.kind == "exact" for duplicate in duplicates)
            pairs = ", ".join(described(first, second, pair) for pair in duplicates[:SHOWN])
            differing = sum(relabelled(first, second, pair) for pair in duplicates)
            raise DataError(
                f"pictures are both in {first.name} and in {second.name}: {len(duplicates)} pairs, {exact} "
                f"of them the same to the pixel"
                + (f", {differing} with different labels" if differing else "")
                + f"; first {pairs}",
                expected="no picture in two of the sets that train, choose and test",
                action="leave them out of training (edgefer train --drop-duplicates), or name other sets",
            )


def shared_pictures(first: FaceSet, second: FaceSet) -> list[Duplicate]:
    """Pictures of ``first`` that are in ``second``, by what is near in these sets; none that show nothing."""
    return [
        pair
        for pair in find_duplicates(first, second, threshold=1 - distance_between(first, second))
        if pair.kind == "perceptual" or first.images[pair.first_index : pair.first_index + 1].std() > FLAT
    ]


def described(first: FaceSet, second: FaceSet, pair: Duplicate) -> str:
    """A pair by its pictures' names, with their labels where these differ, or by its numbers."""
    names = first.called(pair.first_index), second.called(pair.second_index)
    if relabelled(first, second, pair) and first.names is not None:
        one, other = first.labels[pair.first_index], second.labels[pair.second_index]
        names = f"{names[0]} ({first.classes[one]})", f"{names[1]} ({second.classes[other]})"
    return " = ".join(names) + (" mirrored" if pair.mirrored else "")


def relabelled(first: FaceSet, second: FaceSet, pair: Duplicate) -> bool:
    """Whether a pair's pictures are of different classes."""
    one, other = first.labels[pair.first_index], second.labels[pair.second_index]
    return bool(first.classes[one] != second.classes[other])


def without_duplicates(faces: FaceSet, *held_out: FaceSet) -> FaceSet:
    """``faces`` without the pictures that are also in a held-out set.

    What an official split with duplicates in it needs: the test set stays as published.
    """
    leaked = {pair.first_index for other in held_out for pair in shared_pictures(faces, other)}
    if not leaked:
        return faces
    return faces.take(np.setdiff1d(np.arange(len(faces)), sorted(leaked)))


def shared_subjects(first: FaceSet, second: FaceSet) -> list[object]:
    """Subjects that are in both of two parts of one set; none where it does not name them, or by ""."""
    if not _same_people(first, second):
        return []
    shared = np.intersect1d(first.attributes["subject"], second.attributes["subject"])
    return [person for person in shared.tolist() if person != ""]


def differing_subjects(first: FaceSet, second: FaceSet) -> Callable[[int, int], bool]:
    """Whether picture i of ``first`` and j of ``second`` show two people, as far as their set names them."""
    if not _same_people(first, second):
        return lambda i, j: False
    people, others = first.attributes["subject"], second.attributes["subject"]
    return lambda i, j: "" not in (people[i], others[j]) and bool(people[i] != others[j])


def _same_people(first: FaceSet, second: FaceSet) -> bool:
    """Whether both name subjects, and mean the same people by the same name."""
    same_set = first.name.partition(":")[0] == second.name.partition(":")[0]
    return same_set and "subject" in first.attributes and "subject" in second.attributes


def _alike(
    first: Floats, second: Floats, screen: Floats, threshold: float
) -> Iterator[tuple[int, int, float]]:
    """(row of first, row of second, distance) of the pairs that may reach ``threshold``.

    Unit vectors that correlate by c are sqrt(2 - 2c) apart, of which the screen keeps no more.
    """
    rows, columns = np.nonzero(screened(first) @ screen.T >= threshold - 1 - 1e-5)
    distances = 1 - np.einsum("ij,ij->i", first[rows], second[columns])
    yield from zip(rows.tolist(), columns.tolist(), distances.clip(0).tolist(), strict=True)


def _same_pixels(first: FaceSet, second: FaceSet, i: int, j: int, mirrored: bool) -> bool:
    other = second.images[j : j + 1]
    return np.array_equal(first.images[i : i + 1], other[:, :, ::-1] if mirrored else other)
