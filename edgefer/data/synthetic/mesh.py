"""Triangle meshes: the form a scene's parts share, and the few operations on them."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from edgefer.data.synthetic.arrays import Bytes, Floats, Ints


class Material(IntEnum):
    """What a triangle is made of."""

    SKIN = 0
    EYE = 1
    TEETH = 2
    TONGUE = 3
    HAIR = 4
    LENS = 5
    FRAME = 6
    MASK = 7
    HAND = 8


class Mesh(NamedTuple):
    """A piece of surface in the head's frame (decimetres; x the person's left, y up, z forward).

    Attributes:
        vertices: float32, V x 3.
        rest: float32, V x 3; where each vertex lies on the average head at rest. Skin, hair and eyes
            are painted as functions of this place, so that the paint follows the face.
        openness: float32, V; share of the surrounding light that reaches the vertex, 0..1.
        triangles: int32, T x 3, counter-clockwise seen from outside.
        material: uint8, T, values of :class:`Material`.
    """

    vertices: Floats
    rest: Floats
    openness: Floats
    triangles: Ints
    material: Bytes


def part(vertices: Floats, triangles: Ints, material: Material, rest: Floats | None = None) -> Mesh:
    """A mesh of one material, fully open to the light unless its maker says otherwise."""
    vertices = np.asarray(vertices, np.float32)
    return Mesh(
        vertices,
        np.zeros_like(vertices) if rest is None else rest,
        np.ones(len(vertices), np.float32),
        np.asarray(triangles, np.int32),
        np.full(len(triangles), material, np.uint8),
    )


def join(parts: list[Mesh]) -> Mesh:
    """All parts as one mesh."""
    starts = np.cumsum([0, *(len(piece.vertices) for piece in parts[:-1])])
    return Mesh(
        np.concatenate([piece.vertices for piece in parts]),
        np.concatenate([piece.rest for piece in parts]),
        np.concatenate([piece.openness for piece in parts]),
        np.concatenate(
            [piece.triangles + np.int32(start) for piece, start in zip(parts, starts, strict=True)]
        ),
        np.concatenate([piece.material for piece in parts]),
    )


def vertex_normals(vertices: Floats, triangles: Ints) -> Floats:
    """Unit normals, each the area-weighted mean over the triangles around a vertex; float32, V x 3."""
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    ab, ac = b - a, c - a
    normals = np.empty_like(vertices)
    around = triangles.T.ravel()
    for axis in range(3):
        j, k = (axis + 1) % 3, (axis + 2) % 3
        face = ab[:, j] * ac[:, k] - ab[:, k] * ac[:, j]
        normals[:, axis] = np.bincount(around, np.concatenate([face, face, face]), len(vertices))
    return normalized(normals)


def normalized(vectors: Floats) -> Floats:
    """``vectors`` (N x 3) at unit length; a null vector stays null."""
    length = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    unit: Floats = vectors / np.maximum(length, 1e-12)[:, None]
    return unit


def capsule(
    start: Floats, end: Floats, radii: tuple[float, float], sides: int, rings: int
) -> tuple[Floats, Ints]:
    """Two half-spheres and the cone between them: vertices and triangles."""
    axis = end - start
    axis = axis / (np.linalg.norm(axis) + 1e-9)
    across = np.cross(axis, [0.13, 0.9, 0.4])
    across = across / np.linalg.norm(across)
    third = np.cross(axis, across)
    around = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    circle = np.outer(np.cos(around), across) + np.outer(np.sin(around), third)
    layers = []
    for centre, radius, angles in (
        (start, radii[0], np.linspace(-np.pi / 2, 0, rings)),
        (end, radii[1], np.linspace(0, np.pi / 2, rings)),
    ):
        layers += [centre + radius * (axis * np.sin(angle) + circle * np.cos(angle)) for angle in angles]
    return np.concatenate(layers).astype(np.float32), strip(len(layers), sides)


def strip(layers: int, sides: int) -> Ints:
    """Triangles between consecutive closed rings of ``sides`` vertices."""
    layer, side = np.divmod(np.arange((layers - 1) * sides, dtype=np.int32), sides)
    p, q = layer * sides + side, layer * sides + (side + 1) % sides
    return np.concatenate([np.stack([p, q, q + sides], 1), np.stack([p, q + sides, p + sides], 1)]).astype(
        np.int32
    )
