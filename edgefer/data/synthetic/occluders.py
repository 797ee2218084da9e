"""What covers a face: spectacles and sunglasses, a medical mask, a hand. (A patch is laid on the picture.)"""

from __future__ import annotations

import numpy as np

from edgefer.data.synthetic.arrays import Floats
from edgefer.data.synthetic.expressions import Units
from edgefer.data.synthetic.head import Head
from edgefer.data.synthetic.looks import Spectacles
from edgefer.data.synthetic.mesh import Material, Mesh, capsule, join, part, strip

OCCLUSIONS = ("none", "sunglasses", "mask", "hand", "patch")
RIM_POINTS = 28
HAND_SPOTS = {
    "mouth": (0.35, (0.12, 6.3, 1.72)),
    "cheek": (0.25, (0.5, 6.5, 1.4)),
    "eye": (0.25, (0.4, 6.9, 1.68)),
    "chin": (0.15, (0.1, 6.0, 1.65)),
}
"""Covered spot -> (how often, place on the left side of the head at rest)."""
MASK_AXIS = 0.2
"""z of the upright line that the mask is wrapped around."""
MASK_GRID = (25, 14)
FINGER_LENGTHS = (0.62, 0.74, 0.7, 0.55)


def spectacles_mesh(model: Head, vertices: Floats, worn: Spectacles, *, dark: bool) -> Mesh:
    """Rims, bridge and temples before the eyes; with ``dark`` the lenses too."""
    bridge_region = (np.abs(model.base[:, 0]) < 0.5) & (np.abs(model.base[:, 1] - 7.4) < 0.16)
    bridge_region[np.concatenate([*model.eyes.values()])] = False
    front = max(float(vertices[bridge_region, 2].max()) - 0.02, 1.46)
    parts = [_rod([-0.09, 7.34, front], [0.09, 7.34, front], 0.025)]
    for side, eyeball in model.eyes.items():
        centre = vertices[eyeball].mean(0)
        centre = np.array([centre[0] * 1.03, centre[1] - 0.02, front])
        inner, outer = (_oval(worn, centre, side, scale) for scale in (1.0, 1.1))
        back = np.array([0, 0, -0.05])
        parts.append(part(np.concatenate([inner, outer, outer + back]), strip(3, RIM_POINTS), Material.FRAME))
        hinge = [centre[0] + side * worn.half_width, centre[1] + 0.1, front - 0.08]
        parts.append(_rod(hinge, [side * 0.76, 7.36, 0.0], 0.02))
        if dark:
            rings = [_oval(worn, centre, side, scale) for scale in (0.02, 0.5, 1.0)]
            parts.append(part(np.concatenate(rings), strip(3, RIM_POINTS), Material.LENS))
    return join(parts)


def mask_mesh(model: Head, rest_face: Floats, units: Units) -> Mesh:
    """A medical mask: a sheet draped around nose, mouth and chin that follows the jaw, with ear loops.

    The sheet is a grid of angle around the head and height; each point lies on the farthest skin near
    it, and smoothing the grid stretches the cloth over hollows.
    """
    face = rest_face + model.units(
        {name: 0.8 * value for name, value in units.items() if name.startswith("jaw")}
    )
    skin = np.unique(model.skin)
    skin = skin[(model.base[skin, 2] > 0.25) & (model.base[skin, 1] > 5.9) & (model.base[skin, 1] < 7.3)]
    x, y, z = face[skin].T
    around, reach = np.arctan2(x, z - MASK_AXIS), np.hypot(x, z - MASK_AXIS)
    chin = y[(model.base[skin, 1] < 6.3) & (model.base[skin, 1] > 6.1) & (np.abs(x) < 0.2)].min()

    columns, rows = MASK_GRID
    angle = np.repeat(np.linspace(-1.15, 1.15, columns)[:, None], rows, axis=1)
    top, bottom = 7.06 - 0.22 * angle**2, chin + 0.12 * angle**2
    height = bottom + (top - bottom) * np.linspace(0, 1, rows)
    near = (np.abs(angle[..., None] - around) < 0.13) & (np.abs(height[..., None] - y) < 0.1)
    radius = np.where(near, reach, 0.0).max(-1)
    for _ in range(3):
        wide = np.pad(radius, 1, mode="edge")
        radius = (
            2 * wide[1:-1, 1:-1] + wide[:-2, 1:-1] + wide[2:, 1:-1] + wide[1:-1, :-2] + wide[1:-1, 2:]
        ) / 6
    radius += 0.05
    sheet = np.stack([radius * np.sin(angle), height, MASK_AXIS + radius * np.cos(angle)], -1).astype(
        np.float32
    )
    column, row = np.divmod(np.arange((columns - 1) * (rows - 1)), rows - 1)
    corner = column * rows + row
    quads = np.stack([corner, corner + rows, corner + rows + 1, corner + 1], 1)
    cloth = part(
        sheet.reshape(-1, 3), np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]), Material.MASK
    )
    loops = [
        _rod(sheet[end, edge].tolist(), [side * 0.78, ear, 0.05], 0.012, Material.MASK)
        for end, side in ((0, -1), (-1, 1))
        for edge, ear in ((-1, 7.25), (0, 6.9))
    ]
    mask = join([cloth, *loops])
    return mask._replace(rest=mask.vertices)


def hand_mesh(draws: np.random.RandomState) -> Mesh:
    """An open hand before the face: four fingers of two joints, thumb, palm, forearm."""
    side = int(draws.choice([-1, 1]))
    spots = list(HAND_SPOTS.values())
    spot = np.array(spots[draws.choice(len(spots), p=[share for share, _ in spots])][1])
    spot = spot * [side, 1, 1] + draws.normal(0, 0.05, 3)
    tilt = draws.uniform(-0.5, 0.5) - 0.3 * side
    turn = np.array([[np.cos(tilt), -np.sin(tilt), 0], [np.sin(tilt), np.cos(tilt), 0], [0, 0, 1]])
    spacing = draws.uniform(0.14, 0.19)
    bones: list[tuple[list[float], list[float], float, float]] = []
    for number, length in enumerate(FINGER_LENGTHS):
        x = (number - 1.5) * spacing
        reach, curl = length * draws.uniform(0.9, 1.1), draws.uniform(0, 0.08)
        spread = (number - 1.5) * draws.uniform(0, 0.08)
        knuckle = [x + spread / 2, reach / 2, curl * 0.3]
        bones += [
            ([x, 0, 0], knuckle, 0.085, 0.08),
            (knuckle, [x + spread, reach, -curl], 0.08, 0.065),
            ([x, 0, 0], [x * 0.8, -0.55, 0.02], 0.11, 0.13),
        ]
    bones += [
        ([-0.2 * side, -0.6, 0.05], [-0.5 * side, -0.05, 0.08], 0.12, 0.08),
        ([0, -0.5, 0], [0, -1.4, -0.1], 0.25, 0.22),
    ]
    pieces = [
        part(
            *capsule(turn @ start + spot, turn @ end + spot, (thick, thin), sides=10, rings=4), Material.HAND
        )
        for start, end, thick, thin in bones
    ]
    hand = join(pieces)
    return hand._replace(openness=np.full(len(hand.vertices), 0.9, np.float32))


def _rod(start: list[float], end: list[float], radius: float, material: Material = Material.FRAME) -> Mesh:
    return part(*capsule(np.array(start), np.array(end), (radius, radius), sides=6, rings=3), material)


def _oval(worn: Spectacles, centre: Floats, side: int, scale: float) -> Floats:
    """A superellipse around ``centre`` that bends back towards the temple; RIM_POINTS x 3."""
    angle = np.linspace(0, 2 * np.pi, RIM_POINTS, endpoint=False)
    cosine, sine = np.cos(angle), np.sin(angle)
    power = 2 / worn.squareness
    x = centre[0] + scale * worn.half_width * np.sign(cosine) * np.abs(cosine) ** power
    y = centre[1] + scale * worn.half_height * np.sign(sine) * np.abs(sine) ** power
    bend = 0.35 * (x * side - 0.12).clip(0) ** 2
    return np.stack([x, y, centre[2] - bend], 1).astype(np.float32)
