"""Pictures of one set that are nearly the same: copies, twins, and frames of one video.

Where edgefer deals a set itself (a part held out, folds, 80/10/10), such pictures go to one side together,
so that no part is known from another. What counts as nearly the same depends on the set: where all pictures
look alike, as one camera's frames do, only those that are much nearer to each other than the others are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgefer.data.faceset import FaceSet
from edgefer.data.thumbnails import CHUNK, COARSE, PARTNERS, Floats, mirrored, screen, vectors_of

Indices = NDArray[np.int64]

DISTANCE = 0.02
"""1 - correlation up to which two pictures are one; :data:`edgefer.data.leakage.THRESHOLD` says why."""
NEARER = 8
"""Times that two pictures have to be nearer to each other than pictures of the set commonly are."""
SAMPLE, FEWEST = 400, 20
"""Pictures by which it is measured how near they commonly are, and those it takes to measure it."""
MARGIN = 1e-4
"""By which parts are dealt more strictly than they are guarded, for rounding."""
NEIGHBOURS = 3
"""Times :data:`DISTANCE` (or what the set has in its place) that frames after one another may be apart."""
NUMBERED = re.compile(r"(.*?)(\d+)\D*")
MANY = 1 << 15
"""Pairs that are compared one by one; more are compared all with all."""


class Pairs(NamedTuple):
    """Pairs of pictures that are one: first index, second index, whether one is the other in a mirror."""

    first: Indices
    second: Indices
    mirrored: bool


@dataclass(frozen=True)
class Lookalikes:
    """Which pictures of a set belong together.

    Attributes:
        group: int64, N: pictures with the same number belong together.
        relabelled: pairs of nearly the same pictures with different labels, the first few.
        relabelled_count: how many there are.
    """

    group: Indices
    relabelled: tuple[tuple[int, int], ...] = ()
    relabelled_count: int = 0


def joined(*partitions: NDArray[np.int64]) -> Indices:
    """What belongs together in any of the partitions, directly or by way of others.

    Of partitions that join nothing beyond the first, the first is given back.
    """
    first, *others = (np.unique(each, return_inverse=True)[1] for each in partitions)
    if all(len(np.unique(each)) == len(each) for each in others):
        return np.asarray(first, np.int64)
    group = np.arange(len(first))
    for each in (first, *others):
        _, leaders = np.unique(each, return_index=True)
        group = _joined(group, np.arange(len(each)), leaders[each])
    return group


def usual_distance(*sets: FaceSet) -> float:
    """Distance up to which pictures of these sets are one: ``DISTANCE``, or less where all look alike.

    It is an eighth of what pictures commonly (in the median) are apart, if that is less.
    """
    share = max(1, SAMPLE // max(1, len(sets)))
    chosen = [
        faces.take(np.unique(np.linspace(0, len(faces) - 1, min(share, len(faces))).astype(int)))
        for faces in sets
        if len(faces)
    ]
    vectors = (
        np.concatenate([vectors_of(part) for part in chosen]) if chosen else np.zeros((0, 1), np.float32)
    )
    vectors = vectors[vectors.any(1)]
    if len(vectors) < FEWEST:
        return DISTANCE
    upper = (vectors @ vectors.T)[np.triu_indices(len(vectors), 1)]
    return float(min(DISTANCE, max(1 - np.median(upper), 0) / NEARER))


def distance_between(*sets: FaceSet) -> float:
    """Distance up to which pictures of these sets are one, as one of them was dealt by if any was."""
    known = [faces.alike for faces in sets if faces.alike is not None]
    return min(known) if known else usual_distance(*sets)


def measured(faces: FaceSet) -> FaceSet:
    """The set with the distance up to which its pictures are one, which its parts then share."""
    return faces if faces.alike is not None else replace(faces, alike=usual_distance(faces))


def find_lookalikes(faces: FaceSet) -> Lookalikes:
    """Which pictures are nearly the same, or frames of one video, directly or by way of others."""
    vectors, distance = vectors_of(faces), distance_between(faces)
    group, relabelled, count = np.arange(len(faces)), list[tuple[int, int]](), 0
    for pairs in alike_pairs(vectors, distance + MARGIN):
        differing = np.flatnonzero(faces.labels[pairs.first] != faces.labels[pairs.second])
        count += len(differing)
        relabelled += [(int(pairs.first[i]), int(pairs.second[i])) for i in differing[: 8 - len(relabelled)]]
        group = _joined(group, pairs.first, pairs.second)
    if faces.names is not None:
        group = _joined(group, *_frames(faces.names.tolist(), vectors, NEIGHBOURS * distance))
    return Lookalikes(group, tuple(relabelled), count)


def alike_pairs(vectors: Floats, distance: float) -> Iterator[Pairs]:
    """Each pair of different pictures at most ``distance`` apart, once upright and once in a mirror.

    Pictures of one colour show nothing and are in no pair.
    """
    blank: NDArray[np.bool_] = ~np.asarray(vectors.any(1))
    views = [(False, vectors), (True, mirrored(vectors))]
    partners = []
    for flipped, view in views:
        screened = _far_where(blank, screen(view))
        partners.append((flipped, view, screened[:, PARTNERS]))
    limit = np.float32(-distance - 1e-5)
    for start in range(0, len(vectors), CHUNK):
        rows = vectors[start : start + CHUNK]
        screened = _far_where(blank[start : start + CHUNK], screen(rows))
        for flipped, view, columns in partners:
            first, second = np.nonzero(screened @ columns[start:].T >= limit)
            ahead = first < second
            first, second = first[ahead] + start, second[ahead] + start
            near = _near(vectors, view, first, second, distance)
            if len(near):
                yield Pairs(first[near], second[near], flipped)


def _near(vectors: Floats, view: Floats, first: Indices, second: Indices, distance: float) -> Indices:
    """Those of the pairs that are near enough, by their whole thumbnails."""
    if len(first) <= MANY:
        correlations = np.einsum("ij,ij->i", vectors[first], view[second])
    else:
        rows, row = np.unique(first, return_inverse=True)
        columns, column = np.unique(second, return_inverse=True)
        correlations = (vectors[rows] @ view[columns].T)[row, column]
    return np.flatnonzero(1 - correlations <= distance)


def _far_where(blank: NDArray[np.bool_], screened: Floats) -> Floats:
    """Screens in which pictures that show nothing are far from everything."""
    screened[blank, COARSE**2] = -9
    return screened


def _frames(names: Sequence[str], vectors: Floats, distance: float) -> tuple[Indices, Indices]:
    """Pictures whose names say that one is the frame after the other, and which look like it."""
    runs: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for index, name in enumerate(names):
        path = PurePath(name)
        if matched := NUMBERED.fullmatch(path.stem):
            runs.setdefault((str(path.parent), matched[1]), []).append((int(matched[2]), index))
    order = [[index for _, index in sorted(run)] for run in runs.values()]
    first = np.array([index for run in order for index in run[:-1]], np.int64)
    second = np.array([index for run in order for index in run[1:]], np.int64)
    near = _near(vectors, vectors, first, second, distance)
    return first[near], second[near]


def _joined(group: Indices, first: Indices, second: Indices) -> Indices:
    """The groups with those of each pair made one."""
    pairs = np.unique(np.sort(np.stack([group[first], group[second]], 1), axis=1), axis=0)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    if not len(pairs):
        return group
    root = np.arange(len(group))
    for one, other in pairs.tolist():
        one, other = _root(root, one), _root(root, other)
        root[max(one, other)] = min(one, other)
    while not np.array_equal(shorter := root[root], root):
        root = shorter
    return root[group]


def _root(root: Indices, member: int) -> int:
    while root[member] != member:
        root[member] = root[root[member]]
        member = int(root[member])
    return member
