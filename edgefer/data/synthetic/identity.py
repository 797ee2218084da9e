"""Identities: who is seen. Everything about a person that no expression and no camera changes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from edgefer.data.synthetic.arrays import Floats
from edgefer.data.synthetic.expressions import Habits, muscle
from edgefer.data.synthetic.head import ANCESTRIES, Head, head
from edgefer.data.synthetic.looks import Looks, draw_looks
from edgefer.data.synthetic.mesh import Material
from edgefer.data.synthetic.streams import stream

SPREAD = {
    "head": 0.13, "nose": 0.22, "mouth": 0.18, "chin": 0.22, "cheek": 0.22, "ears": 0.25, "eyes": 0.15,
    "eyebrows": 0.2, "forehead": 0.22, "neck": 0.12, "asym": 0.10,
}  # fmt: skip
"""Standard deviation of shape components by region; 0.3 already gives caricatures."""
STILL = ("head/head-trans", "neck/neck-trans", "ears/l-ear-trans", "ears/r-ear-trans")
"""Components that only move a part away from where it belongs."""
SET_BACK = {Material.TEETH: -0.05, Material.TONGUE: -0.07}
"""Decimetres by which teeth and tongue move back; otherwise they show through closed lips."""


@dataclass(frozen=True)
class Identity:
    """One person.

    Attributes:
        number: the identity's number; equal numbers are equal persons, pixel for pixel.
        vertices: float32, V x 3; the head at rest.
        ancestry: weight of each of ``ANCESTRIES``.
        male: 0..1.
        age: 0 child, 0.5 young, 1 old.
        looks: skin, hair, glasses and the like.
        habits: how the face moves.
    """

    number: int
    vertices: Floats
    ancestry: dict[str, float]
    male: float
    age: float
    looks: Looks
    habits: Habits


@lru_cache(maxsize=4)
def identity(number: int) -> Identity:
    """The person with this number."""
    model = head()
    draws = stream("identity", number)
    ancestry = dict(zip(ANCESTRIES, draws.dirichlet([0.45] * len(ANCESTRIES)).tolist(), strict=True))
    male = float(np.clip(draws.choice([0.1, 0.9]) + draws.normal(0, 0.12), 0, 1))
    age = float(np.clip(draws.beta(2, 2) * 0.62 + 0.36, 0.36, 0.98))
    build = float(draws.uniform(0.25, 0.75)), float(np.clip(draws.normal(0.5, 0.2), 0.1, 0.95))
    vertices = model.base + model.macro(ancestry, male, age, *build) + model.shape(_shape(model, draws))
    muscles = sorted({muscle(unit) for unit in model.unit_names})
    gain = {name: float(np.clip(draws.normal(1, 0.15), 0.6, 1.4)) for name in muscles}
    habits = Habits(gain, asymmetry=float(draws.normal(0, 0.06)))
    looks = draw_looks(number, ancestry, male, age)
    return Identity(number, _settled(model, vertices), ancestry, male, age, looks, habits)


def _shape(model: Head, draws: np.random.RandomState) -> dict[str, float]:
    """Coefficients of the shape components; left and right share one draw and differ a little."""
    pairs: dict[str, list[str]] = {}
    for name in model.shape_names:
        pairs.setdefault(name.replace("/l-", "/").replace("/r-", "/"), []).append(name)
    coefficients = {}
    for name, members in pairs.items():
        value = draws.normal(0, _spread(name))
        for member in members:
            drawn = float(np.clip(value + draws.normal(0, 0.05), -0.8, 0.8))
            if member not in STILL:
                coefficients[member] = drawn
    return coefficients


def _spread(name: str) -> float:
    region = name.split("/")[0]
    if "eye-trans" in name or "eye-push" in name:
        return 0.08
    if region == "head" and "scale" in name:
        return 0.09
    return 0.15 if name.endswith("head-age") else SPREAD[region]


def _settled(model: Head, vertices: Floats) -> Floats:
    """The head moved so that its eyes are where the average head has them, teeth and tongue set back."""
    eyes = np.concatenate([*model.eyes.values()])
    vertices = vertices - (vertices[eyes].mean(0) - model.base[eyes].mean(0))
    for material, shift in SET_BACK.items():
        vertices[model.vertices_of(material), 2] += np.float32(shift)
    return vertices.astype(np.float32)
