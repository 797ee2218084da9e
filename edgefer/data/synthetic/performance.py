"""A performance: one person showing one expression once, as a mesh that all five cameras look at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from edgefer.data.faceset import EXPRESSIONS
from edgefer.data.synthetic.arrays import Floats
from edgefer.data.synthetic.expressions import Units, perform
from edgefer.data.synthetic.hair import HairShape, hair_meshes, hair_shape
from edgefer.data.synthetic.head import Head, head
from edgefer.data.synthetic.identity import Identity, identity
from edgefer.data.synthetic.looks import draw_spectacles, linear
from edgefer.data.synthetic.mesh import Material, Mesh, join, vertex_normals
from edgefer.data.synthetic.occluders import hand_mesh, mask_mesh, spectacles_mesh
from edgefer.data.synthetic.streams import stream

SESSIONS = ("studio", "wild")
MASK_COLORS = ((120, 170, 205), (235, 235, 235), (30, 30, 34), (150, 200, 190), (200, 120, 140))


@dataclass(frozen=True)
class Performance:
    """What the cameras see.

    Attributes:
        person: who performs.
        expression: index into ``EXPRESSIONS``.
        wild: whether the session is "wild" rather than "studio".
        occlusion: one of ``OCCLUSIONS``.
        units: face units.
        mesh: head, hair and everything worn or held, posed.
        normals: float32, V x 3, of the mesh.
        colors: linear RGB of lenses, frames, mask and hand by material.
    """

    person: Identity
    expression: int
    wild: bool
    occlusion: str
    units: Units
    mesh: Mesh
    normals: Floats
    colors: dict[Material, Floats]


def stage(number: int, expression: int, wild: bool, occlusion: str) -> Performance:
    """Person ``number`` performs: draw the face units and build the scene."""
    draws = stream("performance", number, expression, int(wild))
    units = perform(draws, EXPRESSIONS[expression], identity(number).habits)
    gaze = draws.normal(0, 0.1), draws.normal(0, 0.06) + 0.25 * units.get("eyeLookDownLeft", 0.0)
    return act(number, expression, units, gaze, wild=wild, occlusion=occlusion)


def act(
    number: int,
    expression: int,
    units: Units,
    gaze: tuple[float, float] = (0.0, 0.0),
    *,
    wild: bool = False,
    occlusion: str = "none",
) -> Performance:
    """Person ``number`` with these face units, looking along ``gaze`` (radians to the left, downwards)."""
    model, person = head(), identity(number)
    posed = _turn_eyes(model, person.vertices, person.vertices + model.units(units), gaze)
    skin_normals = vertex_normals(posed, model.skin)
    parts = [model.mesh(posed)]
    parts += hair_meshes(model, person.looks.hair, _hair_shape(number), posed, skin_normals)

    props = stream("props", number, expression, int(wild))
    colors = {
        Material.LENS: (np.array([0.008, 0.008, 0.01]) * props.uniform(0.5, 3)).astype(np.float32),
        Material.MASK: linear(MASK_COLORS[props.randint(len(MASK_COLORS))]),
        Material.HAND: person.looks.skin * np.float32(props.uniform(0.85, 1.1)),
    }
    worn = draw_spectacles(props) if occlusion == "sunglasses" else person.looks.spectacles
    if worn is not None:
        colors[Material.FRAME] = worn.color
        parts.append(spectacles_mesh(model, posed, worn, dark=occlusion == "sunglasses"))
    if occlusion == "mask":
        parts.append(mask_mesh(model, person.vertices, units))
    if occlusion == "hand":
        parts.append(hand_mesh(props))
    mesh = join(parts)
    normals = vertex_normals(mesh.vertices, mesh.triangles)
    return Performance(person, expression, wild, occlusion, units, mesh, normals, colors)


@lru_cache(maxsize=4)
def _hair_shape(number: int) -> HairShape:
    return hair_shape(head(), identity(number).looks.hair)


def _turn_eyes(model: Head, rest: Floats, posed: Floats, gaze: tuple[float, float]) -> Floats:
    """Turn the eyeballs by ``gaze`` (radians to the left, downwards); lids stay as the units put them."""
    (cx, sx), (cy, sy) = ((np.cos(angle), np.sin(angle)) for angle in gaze)
    turn = np.array([[cx, 0, sx], [0, 1, 0], [-sx, 0, cx]]) @ np.array([[1, 0, 0], [0, cy, -sy], [0, sy, cy]])
    for eyeball in model.eyes.values():
        centre = rest[eyeball].mean(0)
        posed[eyeball] = (rest[eyeball] - centre) @ turn.T.astype(np.float32) + centre
    return posed
