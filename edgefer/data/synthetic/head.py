"""The head model: one topology, and linear targets for age, sex, ancestry, shape and facial muscles.

``head.npz`` is baked from MakeHuman's CC0 data (PROVENANCE.md). Lengths are decimetres; the frame has
x to the person's left, y up, z forward, the eyes at y = 7.28 and the tip of the nose at z = 1.6.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgefer.data.synthetic.arrays import Bytes, Floats, Ints
from edgefer.data.synthetic.mesh import Material, Mesh

DECIMETRES_PER_UNIT = np.float32(1e-3)
ANCESTRIES = ("african", "asian", "caucasian")


class Head:
    """The head's topology and targets; get it from :func:`head`.

    Attributes:
        base: float32, V x 3; the head at rest, before any target.
        triangles: int32, T x 3.
        material: uint8, T.
        openness: float32, V; ambient occlusion of the head at rest, 1 where the whole sky is seen.
        skin, hair: int32, T' x 3; the triangles of the skin, and of the long-hair helper.
        eyes: side (1 left, -1 right) -> int64 vertex indices of that eyeball.
        eye_centres: side -> float32, 3; centre of that eyeball on ``base``.
        ear: float32, V; 1 on the ears, 0 elsewhere.
        front: int64; vertices of the face from chin to hairline, without its sides.
        shape_names, unit_names: names of the signed shape components and of the 52 face units.
    """

    def __init__(self, archive: Mapping[str, NDArray[np.generic]]) -> None:
        quads = archive["quads"].astype(np.int32)
        material = archive["material"].astype(np.uint8)
        eye_side = archive["eye_side"]
        triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
        material = np.concatenate([material, material])
        solid = material != Material.HAIR
        self.base: Floats = archive["base"].astype(np.float32)
        self.triangles: Ints = triangles[solid]
        self.material: Bytes = material[solid]
        self.skin: Ints = triangles[material == Material.SKIN]
        self.hair: Ints = triangles[material == Material.HAIR]
        self.eyes = {side: np.unique(quads[eye_side == side]) for side in (1, -1)}
        self.eye_centres = {side: self.base[ids].mean(0) for side, ids in self.eyes.items()}
        self.openness: Floats = archive["openness"].astype(np.float32) / 255
        for ids in self.eyes.values():
            self.openness[ids] = 0.85
        self.shape_names: tuple[str, ...] = tuple(archive["shape_names"].tolist())
        self.unit_names: tuple[str, ...] = tuple(archive["unit_names"].tolist())
        self._macro = dict(zip(archive["macro_names"].tolist(), _metric(archive["macro"]), strict=True))
        self._shapes = {
            name: (positive, negative)
            for name, positive, negative in zip(
                self.shape_names,
                _metric(archive["shape_positive"]),
                _metric(archive["shape_negative"]),
                strict=True,
            )
        }
        self._units = dict(zip(self.unit_names, _metric(archive["units"]), strict=True))
        self.ear = self._moved_by("ears/", "scale")
        self.front = self._front()

    def vertices_of(self, material: Material) -> Ints:
        """Indices of the vertices that triangles of ``material`` use."""
        return np.unique(self.triangles[self.material == material])

    def macro(
        self, ancestry: Mapping[str, float], male: float, age: float, muscle: float, weight: float
    ) -> Floats:
        """Offsets, float32 V x 3, of ancestry (weights that sum to 1), sex and build.

        Args:
            ancestry: weight of each of :data:`ANCESTRIES`.
            male: 0 female .. 1 male.
            age: 0 child, 0.5 young, 1 old.
            muscle, weight: 0 least .. 1 most.
        """
        sexes = {"female": 1 - male, "male": male}
        ages = _three_steps(age, "child", "young", "old")
        muscles = _three_steps(muscle, "minmuscle", "averagemuscle", "maxmuscle")
        weights = _three_steps(weight, "minweight", "averageweight", "maxweight")
        shares = {
            f"{race}-{sex}-{years}": ancestry[race] * sexes[sex] * ages[years]
            for race, sex, years in product(ANCESTRIES, sexes, ages)
        }
        shares |= {
            f"{sex}-{years}-{build}-{size}": sexes[sex] * ages[years] * muscles[build] * weights[size]
            for sex, years, build, size in product(sexes, ages, muscles, weights)
        }
        return self._sum(self._macro, shares)

    def shape(self, coefficients: Mapping[str, float]) -> Floats:
        """Offsets, float32 V x 3, of signed shape components."""
        sided = {
            name: pair[0 if coefficients[name] > 0 else 1]
            for name, pair in self._shapes.items()
            if name in coefficients
        }
        return self._sum(sided, {name: abs(coefficients[name]) for name in sided})

    def units(self, activations: Mapping[str, float]) -> Floats:
        """Offsets, float32 V x 3, of face units (ARKit names, 0 rest .. 1 full)."""
        return self._sum(self._units, activations)

    def mesh(self, vertices: Floats) -> Mesh:
        """The head itself (no hair) with its vertices at ``vertices``."""
        return Mesh(vertices, self.base, self.openness, self.triangles, self.material)

    def _sum(self, targets: Mapping[str, Floats], shares: Mapping[str, float]) -> Floats:
        total = np.zeros_like(self.base)
        for name, share in shares.items():
            if share > 1e-6 and name in targets:
                total += np.float32(share) * targets[name]
        return total

    def _front(self) -> Ints:
        x, y, z = self.base.T
        face = (y > 6.15) & (y < 7.98) & (z > 0.75) & (np.abs(x) < 0.75) & (self.ear < 0.2)
        skin = np.zeros(len(self.base), bool)
        skin[self.skin] = True
        return np.flatnonzero(face & skin)

    def _moved_by(self, prefix: str, word: str) -> Floats:
        """Soft mask, 0..1, of the vertices that certain shape components move."""
        reach = np.zeros(len(self.base), np.float32)
        for name, pair in self._shapes.items():
            if name.startswith(prefix) and word in name:
                reach = np.maximum(reach, np.abs(np.stack(pair)).max(axis=(0, 2)))
        return ((reach - 0.03) / 0.04).clip(0, 1)


@cache
def head() -> Head:
    """The head model, read once per process (about 0.2 s and 45 MB)."""
    with np.load(Path(__file__).with_name("head.npz")) as archive:
        return Head(archive)


def _metric(stored: NDArray[np.generic]) -> Floats:
    return stored.astype(np.float32) * DECIMETRES_PER_UNIT


def _three_steps(value: float, low: str, middle: str, high: str) -> dict[str, float]:
    """Weights of three targets placed at 0, 0.5 and 1."""
    return {low: max(0.0, 1 - 2 * value), middle: 1 - abs(2 * value - 1), high: max(0.0, 2 * value - 1)}
