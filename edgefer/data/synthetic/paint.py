"""Paint: the albedo and shine of every visible point."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edgefer.data.synthetic.arrays import Bytes, Floats
from edgefer.data.synthetic.head import Head
from edgefer.data.synthetic.looks import Looks, linear
from edgefer.data.synthetic.mesh import Material
from edgefer.data.synthetic.performance import Performance
from edgefer.data.synthetic.shaping import ridges, smoothstep
from edgefer.data.synthetic.skin import skin_color

EYE_WHITE, TEETH, TONGUE = (
    linear([236, 230, 226]),
    linear([232, 222, 200]) * np.float32(0.9),
    linear([170, 80, 80]),
)
IRIS_EDGE = 0.46
"""Radians from the eye's axis."""
SHINE = {
    Material.EYE: 1.2, Material.TEETH: 0.5, Material.TONGUE: 0.4, Material.HAIR: 0.35,
    Material.LENS: 2.0, Material.FRAME: 0.8, Material.MASK: 0.0, Material.HAND: 0.25,
}  # fmt: skip


class Paint(NamedTuple):
    """Albedo (float32, N x 3, linear RGB) and shine (float32, N, strength of the highlight)."""

    albedo: Floats
    shine: Floats


def paint(model: Head, seen: Performance, material: Bytes, place: Floats) -> Paint:
    """Paint points of a performance.

    Args:
        model: the head.
        seen: the performance.
        material: uint8, N.
        place: float32, N x 3; on the head at rest.
    """
    looks = seen.person.looks
    albedo = np.zeros((len(place), 3), np.float32)
    shine = np.zeros(len(place), np.float32)
    for number in np.unique(material):
        kind = Material(number)
        points = np.flatnonzero(material == kind)
        where = place[points]
        if kind is Material.SKIN:
            albedo[points], lip = skin_color(where, looks, seen.units)
            shine[points] = 0.28 + 0.35 * lip
            continue
        shine[points] = SHINE[kind]
        if kind is Material.EYE:
            albedo[points] = _eye(model, where, looks)
        elif kind is Material.TEETH:
            albedo[points] = TEETH
        elif kind is Material.TONGUE:
            albedo[points] = TONGUE
        elif kind is Material.HAIR:
            albedo[points] = _hair(where, looks)
        elif kind is Material.MASK:
            pleats = 1 - 0.12 * ridges(where[:, 1] * np.float32(2 * np.pi / 0.13), 3)
            albedo[points] = seen.colors[kind] * pleats[:, None]
        else:
            albedo[points] = seen.colors[kind]
    return Paint(albedo, shine)


def _eye(model: Head, place: Floats, looks: Looks) -> Floats:
    """White, iris with a dark rim and spokes, pupil."""
    centre = np.where((place[:, 0] > 0)[:, None], model.eye_centres[1], model.eye_centres[-1])
    offset = place - centre
    off_axis = np.arctan2(np.hypot(offset[:, 0], offset[:, 1]), offset[:, 2])
    white = (
        EYE_WHITE
        * (1 - 0.25 * smoothstep(0.5, 1.3, off_axis))[:, None]
        * np.array([1, 0.96, 0.95], np.float32)
    )
    spokes = 1 + 0.25 * np.sin(np.arctan2(offset[:, 1], offset[:, 0]) * 17)
    iris = looks.iris * ((1 - 0.65 * smoothstep(IRIS_EDGE - 0.16, IRIS_EDGE, off_axis)) * spokes)[:, None]
    color = white + (iris - white) * smoothstep(IRIS_EDGE + 0.05, IRIS_EDGE - 0.03, off_axis)[:, None]
    pupil = smoothstep(0.24, 0.19, off_axis)[:, None]
    result: Floats = color * (1 - pupil) + 0.006 * pupil
    return result


def _hair(place: Floats, looks: Looks) -> Floats:
    """Strands: waves around the head and along it."""
    x, y, z = place.T
    strands = 0.18 * np.sin(np.arctan2(x, z + 0.1) * 60 + 6 * np.sin(y * 5) + looks.hair.parting * 5)
    strands += 0.12 * np.sin(x * 47 + y * 9)
    result: Floats = looks.hair.color * np.exp(strands)[:, None]
    return result
