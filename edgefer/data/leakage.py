"""The leakage guard: no picture and no person on both sides of a training.

Two pictures are compared by the correlation of their thumbnails: luma (BT.601), averaged over areas to
24 x 24, shifted to mean zero and scaled to length one. Brightness, contrast, colour, size and JPEG barely
move it, and mirror images are found by comparing with the flipped thumbnail as well. Nothing is hashed, so
nothing is missed by the bits of a hash: :func:`find_duplicates` finds every pair above the threshold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgefer.data.faceset import FaceSet
from edgefer_runtime.errors import DataError
from edgefer_runtime.preprocess import BT601

Floats = NDArray[np.float32]

SIDE = 24
"""Of a thumbnail, in pixels; half of FER2013's 48, the smallest faces there are."""

COARSE = 8
"""Side of the thumbnail of the thumbnail that screens pairs; divides ``SIDE``."""

PARTNERS = [*range(COARSE**2), COARSE**2 + 1, COARSE**2]
"""Columns of one side's screen that meet the other side's: its half squared length meets a one."""

THRESHOLD = 0.98
"""Correlation from which two pictures are one. Of SynthFER's 7.7 million pairs of different people in the
same poses and lights none comes above 0.977, mirrored or not; between train and eval, two people in profile
reach 0.990. The same picture keeps 0.995 at JPEG quality
30 or at 48 pixels, and 0.98 at both; when light grey clips to white, 99 pictures in 100 keep 0.98."""

FLAT = 1.0
"""Grey levels of standard deviation below which a thumbnail shows nothing that could be compared."""

CHUNK = 128
"""Pictures of the first set looked at together; bounds the memory."""

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
    upright = np.concatenate([unit(thumbs) for _, thumbs in _thumbnails(second)])
    flipped = upright.reshape(-1, SIDE, SIDE)[:, :, ::-1].reshape(upright.shape)
    views = [
        (mirrored, view, _screen(view)[:, PARTNERS]) for mirrored, view in ((True, flipped), (False, upright))
    ]
    found = []
    for start, thumbs in _thumbnails(first):
        pairs: dict[tuple[int, int], Duplicate] = {}
        for mirrored, view, screen in views:
            for row, column, distance in _alike(unit(thumbs), view, screen, threshold):
                pair = start + row, column
                exact = _same_pixels(first, second, *pair, mirrored)
                if exact or distance <= 1 - threshold:
                    kind: Literal["exact", "perceptual"] = "exact" if exact else "perceptual"
                    pairs[pair] = Duplicate(*pair, kind, mirrored, 0.0 if exact else distance)
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
        if duplicates := find_duplicates(first, second):
            exact = sum(duplicate.kind == "exact" for duplicate in duplicates)
            pairs = ", ".join(
                f"{pair.first_index} = {pair.second_index}" + (" mirrored" if pair.mirrored else "")
                for pair in duplicates[:SHOWN]
            )
            raise DataError(
                f"pictures are both in {first.name} and in {second.name}: {len(duplicates)} pairs, {exact} "
                f"of them the same to the pixel, first numbers {pairs}",
                expected="no picture in two of the sets that train, choose and test",
                action="leave them out of training (edgefer train --drop-duplicates), or name other sets",
            )


def without_duplicates(faces: FaceSet, *held_out: FaceSet) -> FaceSet:
    """``faces`` without the pictures that are also in a held-out set.

    What an official split with duplicates in it needs: the test set stays as published.
    """
    leaked = {pair.first_index for other in held_out for pair in find_duplicates(faces, other)}
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


def unit(thumbnails: Floats) -> Floats:
    """Thumbnails N x S x S as vectors N x S*S of mean zero and length one; flat ones become zero."""
    vectors = thumbnails.reshape(len(thumbnails), -1)
    vectors = vectors - vectors.mean(1, keepdims=True)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(lengths > FLAT * SIDE, vectors / np.maximum(lengths, 1e-9), 0).astype(np.float32)


def _thumbnails(faces: FaceSet) -> Iterator[tuple[int, Floats]]:
    """(first index, N x 24 x 24) of a slice of pictures after another."""
    rows, columns = (_areas(length) for length in faces.images.shape[1:3])
    for start in range(0, len(faces), CHUNK):
        luma = faces.images[start : start + CHUNK].astype(np.float32) @ BT601
        yield start, rows @ luma @ columns.T


def _areas(length: int) -> Floats:
    """Weights SIDE x ``length`` that average ``length`` pixels over ``SIDE`` equal areas."""
    edges, pixels = np.linspace(0, length, SIDE + 1), np.arange(length)
    overlaps = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    weights: Floats = (overlaps.clip(0) * SIDE / length).astype(np.float32)
    return weights


def _alike(
    first: Floats, second: Floats, screen: Floats, threshold: float
) -> Iterator[tuple[int, int, float]]:
    """(row of first, row of second, distance) of the pairs that may reach ``threshold``.

    Unit vectors that correlate by c are sqrt(2 - 2c) apart, and averaging over blocks is a projection,
    which brings nothing further apart: a pair whose 8 x 8 thumbnails are too far apart needs no look at
    its 24 x 24.
    """
    rows, columns = np.nonzero(_screen(first) @ screen.T >= threshold - 1 - 1e-5)
    distances = 1 - np.einsum("ij,ij->i", first[rows], second[columns])
    yield from zip(rows.tolist(), columns.tolist(), distances.clip(0).tolist(), strict=True)


def _screen(vectors: Floats) -> Floats:
    """The 8 x 8 projection in an orthonormal basis, minus half its squared length, and a one: N x 66.

    With the other side's ``PARTNERS``, the product is minus half the squared distance.
    """
    block = SIDE // COARSE
    sums = vectors.reshape(-1, COARSE, block, COARSE, block).sum((2, 4))
    projected = sums.reshape(len(vectors), -1) / np.float32(block)
    halves = -(projected**2).sum(1, keepdims=True) / 2
    return np.hstack([projected, halves, np.ones_like(halves)])


def _same_pixels(first: FaceSet, second: FaceSet, i: int, j: int, mirrored: bool) -> bool:
    other = second.images[j : j + 1]
    return np.array_equal(first.images[i : i + 1], other[:, :, ::-1] if mirrored else other)
