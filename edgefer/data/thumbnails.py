"""Thumbnails in which one picture is compared with another, whatever its size, brightness and colour.

Luma (BT.601), averaged over areas to 24 x 24, shifted to mean zero and scaled to length one: the scalar
product of two is their correlation.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edgefer.data.faceset import FaceSet
from edgefer_runtime.preprocess import BT601

Floats = NDArray[np.float32]

SIDE = 24
"""Of a thumbnail, in pixels; half of FER2013's 48, the smallest faces there are."""

COARSE = 8
"""Side of the thumbnail of the thumbnail that screens pairs; divides ``SIDE``."""

PARTNERS = [*range(COARSE**2), COARSE**2 + 1, COARSE**2]
"""Columns of one side's screen that meet the other side's: its half squared length meets a one."""

FLAT = 1.0
"""Grey levels of standard deviation below which a thumbnail shows nothing that could be compared."""

CHUNK = 128
"""Pictures looked at together; bounds the memory."""


def thumbnails(faces: FaceSet) -> Iterator[tuple[int, Floats]]:
    """(first index, N x 24 x 24) of a slice of pictures after another."""
    rows, columns = (_areas(length) for length in faces.images.shape[1:3])
    for start in range(0, len(faces), CHUNK):
        luma = faces.images[start : start + CHUNK].astype(np.float32) @ BT601
        yield start, rows @ luma @ columns.T


def unit(thumbs: Floats) -> Floats:
    """Thumbnails N x S x S as vectors N x S*S of mean zero and length one; flat ones become zero."""
    vectors = thumbs.reshape(len(thumbs), -1)
    vectors = vectors - vectors.mean(1, keepdims=True)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(lengths > FLAT * SIDE, vectors / np.maximum(lengths, 1e-9), 0).astype(np.float32)


def vectors_of(faces: FaceSet) -> Floats:
    """:func:`unit` of every picture: N x 576."""
    if not len(faces):
        return np.zeros((0, SIDE * SIDE), np.float32)
    return np.concatenate([unit(thumbs) for _, thumbs in thumbnails(faces)])


def mirrored(vectors: Floats) -> Floats:
    """The vectors of the pictures in a mirror."""
    return vectors.reshape(-1, SIDE, SIDE)[:, :, ::-1].reshape(vectors.shape)


def screen(vectors: Floats) -> Floats:
    """The 8 x 8 projection in an orthonormal basis, minus half its squared length, and a one: N x 66.

    With the other side's ``PARTNERS``, the product is minus half the squared distance. Unit vectors that
    correlate by c are sqrt(2 - 2c) apart, and averaging over blocks is a projection, which brings nothing
    further apart: a pair whose 8 x 8 thumbnails are too far apart needs no look at its 24 x 24.
    """
    block = SIDE // COARSE
    sums = vectors.reshape(-1, COARSE, block, COARSE, block).sum((2, 4))
    projected = sums.reshape(len(vectors), -1) / np.float32(block)
    halves = -(projected**2).sum(1, keepdims=True) / 2
    return np.hstack([projected, halves, np.ones_like(halves)])


def _areas(length: int) -> Floats:
    """Weights SIDE x ``length`` that average ``length`` pixels over ``SIDE`` equal areas."""
    edges, pixels = np.linspace(0, length, SIDE + 1), np.arange(length)
    overlaps = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    weights: Floats = (overlaps.clip(0) * SIDE / length).astype(np.float32)
    return weights
