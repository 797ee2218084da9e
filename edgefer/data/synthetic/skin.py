"""Skin: mottling, blush, lips, creases, beard, scalp and brows, painted by place on the head at rest."""

from __future__ import annotations

import numpy as np

from edgefer.data.synthetic.arrays import Floats
from edgefer.data.synthetic.creases import crease_depth
from edgefer.data.synthetic.expressions import Units
from edgefer.data.synthetic.hair import above_hairline
from edgefer.data.synthetic.looks import Brows, Hair, Looks
from edgefer.data.synthetic.shaping import bell, smoothstep

FRONT = 0.3
"""Features of the face lie before this z."""
CREASE_TINT = np.array([0.8, 1.05, 1.1], np.float32)
BLUSH_TINT = np.array([0.05, 0.28, 0.26], np.float32)
INNER_MOUTH_TINT = np.array([0.45, 0.16, 0.15], np.float32)


def skin_color(place: Floats, looks: Looks, units: Units) -> tuple[Floats, Floats]:
    """Albedo (float32, N x 3, linear) and lip share (float32, N) at places (N x 3) on the head at rest."""
    mottle = np.sin(place @ looks.mottle_waves.T + looks.mottle_phases) @ looks.mottle_amplitudes
    color = looks.skin * np.exp(mottle)[:, None]
    lip = np.zeros(len(place), np.float32)

    front = np.flatnonzero(place[:, 2] > FRONT)
    color[front], lip[front] = _face(color[front], place[front], looks, units)

    x, y, z = place.T
    scalp = smoothstep(0.0, 0.08, above_hairline(looks.hair, x, y, z)) * (np.abs(x) < 0.78)
    color = _blend(color, looks.hair.color, scalp * (0.45 if looks.hair.shaved else 0.9))

    collar = 5.98 - looks.neckline * smoothstep(-0.2, 0.5, z) * smoothstep(1.0, 0.2, np.abs(x))
    dressed = y < collar
    color[dressed] = looks.clothes
    return color, lip


def _face(color: Floats, place: Floats, looks: Looks, units: Units) -> tuple[Floats, Floats]:
    x, y, z = place.T
    across = np.abs(x)
    blush = 0.35 * bell(np.hypot(across - 0.42, (y - 6.95) * 1.2), 0.22) + 0.3 * bell(
        np.hypot(x, y - 6.98), 0.13
    )
    color = color * (1 - BLUSH_TINT * blush[:, None])
    if looks.freckles:
        spots = np.sin(x * 61 + 2 * np.sin(y * 47)) * np.sin(y * 67 + 2 * np.sin(x * 53)) > 0.55
        color *= (1 - 0.35 * looks.freckles * bell(np.hypot(across - 0.3, y - 7.03), 0.25) * spots)[:, None]

    lip = _lip(x, y, z)
    painted = color * looks.lip_tint if looks.lipstick is None else color * 0.25 + looks.lipstick * 0.75
    color = color + (painted - color) * lip[:, None]
    color *= np.exp(-crease_depth(x, y, units, looks.wrinkles)[:, None] * CREASE_TINT)
    color *= (1 - 0.55 * _lid_crease(across, y, z))[:, None]
    if looks.hair.beard or looks.hair.moustache:
        color = _blend(color, looks.hair.color * np.float32(0.8), _beard(x, y, z, lip, looks.hair))
    color = _blend(color, looks.brows.color, _brow(across, y, looks.brows))
    inside = (z < 1.22) & (across < 0.3) & (y > 6.35) & (y < 6.85)
    color[inside] *= INNER_MOUTH_TINT
    return color, lip


def _lip(x: Floats, y: Floats, z: Floats) -> Floats:
    """Share of lip, 0..1."""
    across = np.abs(x)
    u = (across / 0.265).clip(0, 1)
    upper_edge = 6.622 + 0.088 * (1 - u * u) ** 0.75 - 0.022 * bell(across, 0.05)
    lower_edge = 6.622 - 0.118 * (1 - u * u) ** 0.6
    share = smoothstep(-0.012, 0.012, upper_edge - y) * smoothstep(-0.012, 0.012, y - lower_edge)
    lip: Floats = share * ((across < 0.265) & (z > 1.05))
    return lip


def _lid_crease(across: Floats, y: Floats, z: Floats) -> Floats:
    """The fold above the eye and the lashes' shade, 0..1."""
    dx = across - 0.31
    crease: Floats = bell(y - (7.355 - 0.9 * dx * dx), 0.012) * ((np.abs(dx) < 0.17) & (z > 1.15))
    return crease


def _beard(x: Floats, y: Floats, z: Floats, lip: Floats, hair: Hair) -> Floats:
    """Share of beard and moustache, 0..1."""
    across = np.abs(x)
    jaw = smoothstep(6.72, 6.55, y - 0.55 * (across - 0.35).clip(0, 1)) * smoothstep(5.9, 6.15, y) * (1 - lip)
    sideburn = smoothstep(0.5, 0.62, across) * smoothstep(7.2, 7.0, y) * smoothstep(6.0, 6.2, y)
    jaw = np.maximum(jaw, sideburn * ((z < 0.75) & (across < 0.72)))
    jaw *= 1 - 0.75 * bell(np.hypot(across - 0.3, y - 6.72), 0.14)
    moustache = (
        smoothstep(6.69, 6.72, y + 0.1 * across) * smoothstep(6.86, 6.8, y) * smoothstep(0.33, 0.25, across)
    )
    moustache *= (1 - lip) * (z > 1.0)
    share = hair.beard * jaw + hair.moustache * moustache * (1 - hair.beard * jaw)
    texture = 0.75 + 0.25 * np.sin(x * 130 + 3 * np.sin(y * 70)) * np.sin(y * 110 + z * 90)
    result: Floats = (share * texture).clip(0, 0.92)
    return result


def _brow(across: Floats, y: Floats, brows: Brows) -> Floats:
    """Share of eyebrow, 0..1."""
    along = ((across - 0.115) / 0.45).clip(0, 1)
    middle = 7.445 + brows.height + brows.arch * np.sin(np.pi * (along * 0.9)) - 0.035 * along
    share = bell((y - middle) / (1.05 - 0.62 * along), brows.thickness)
    share *= smoothstep(0.08, 0.14, across) * smoothstep(0.6, 0.52, across)
    share *= 0.8 + 0.2 * np.sin((across * 1.2 - y * 0.8) * 150)
    result: Floats = (share * 1.5).clip(0, 1) * np.float32(brows.density)
    return result


def _blend(color: Floats, over: Floats, share: Floats) -> Floats:
    blended: Floats = color + (over - color) * share[:, None]
    return blended
