"""Creases: dark lines where muscles fold the skin, which the coarse mesh cannot show by itself."""

from __future__ import annotations

import numpy as np

from edgefer.data.synthetic.arrays import Floats
from edgefer.data.synthetic.expressions import Units
from edgefer.data.synthetic.shaping import bell, ridges, smoothstep


def crease_depth(x: Floats, y: Floats, units: Units, wrinkles: float) -> Floats:
    """Darkening exponent of places on the front of the face.

    Args:
        x, y: float32, N; place on the head at rest, decimetres.
        units: face units.
        wrinkles: 0..1; lines that the face has at rest.
    """
    across = np.abs(x)
    left = x > 0

    def on_side(unit: str) -> Floats:
        chosen: Floats = np.where(
            left, np.float32(units.get(unit + "Left", 0.0)), np.float32(units.get(unit + "Right", 0.0))
        )
        return chosen

    sneer, smile, brow_down = on_side("noseSneer"), on_side("mouthSmile"), on_side("browDown")
    outer_up, squint, cheek = on_side("browOuterUp"), on_side("eyeSquint"), on_side("cheekSquint")
    inner_up = np.float32(units.get("browInnerUp", 0.0))

    # from the nostrils to the corners of the mouth
    fold = 0.17 + 0.17 * ((7.0 - y) / 0.42).clip(0, 1) ** 1.2
    pull = 0.8 * smile + 0.8 * sneer + 0.5 * on_side("mouthUpperUp")
    depth: Floats = (0.25 * wrinkles + 0.55 * pull) * bell(across - fold, 0.022)
    depth *= smoothstep(6.52, 6.66, y) * smoothstep(7.03, 6.93, y)
    # between the brows
    depth += (
        (0.12 * wrinkles + 0.55 * brow_down) * bell(across - 0.055, 0.016) * _band(y, 7.33, 7.4, 7.48, 7.6)
    )
    # across the forehead
    width = np.where(outer_up > 0.3, np.float32(0.5), np.float32(0.28))
    lines = ridges((y - 7.6 + 0.04 * np.cos(x * 5)) * np.float32(2 * np.pi / 0.085))
    forehead = lines * _band(y, 7.57, 7.63, 7.8, 7.9) * smoothstep(0.0, -0.15, across - width)
    depth += (0.12 * wrinkles + 0.38 * np.maximum(inner_up, outer_up)) * forehead
    # across the root of the nose
    root = ridges((y + 0.5 * across) * np.float32(2 * np.pi / 0.06))
    depth += 0.5 * sneer * root * bell(across - 0.07, 0.05) * _band(y, 7.12, 7.18, 7.28, 7.36)
    # crow's feet
    dx, dy = across - 0.40, y - 7.28
    angle, radius = np.arctan2(dy, dx), np.hypot(dx, dy)
    feet = (
        ridges(angle * 14) * _band(radius, 0.07, 0.1, 0.14, 0.2) * ((across > 0.42) & (np.abs(angle) < 0.7))
    )
    depth += 0.5 * (np.maximum(cheek, squint * 0.5) + 0.105 * wrinkles) * feet
    # under the lower lid
    pouch = bell(y - (7.17 + 0.12 * ((across - 0.31) / 0.2) ** 2), 0.014) * ((across > 0.15) & (across < 0.5))
    depth += (0.12 * wrinkles + 0.18 * np.maximum(cheek, squint)) * pouch
    # below the corners of the mouth
    corner = np.hypot(across - 0.275 - 0.2 * (6.6 - y), (np.abs(y - 6.545) - 0.05).clip(0))
    depth += (0.1 * wrinkles + 0.4 * on_side("mouthFrown")) * bell(corner, 0.016)
    # over the chin
    shrug = np.float32(units.get("mouthShrugLower", 0.0))
    depth += 0.35 * shrug * bell(y - (6.44 - 0.2 * x * x), 0.02) * bell(across, 0.14)
    return depth


def _band(value: Floats, start: float, full: float, fade: float, end: float) -> Floats:
    """1 between ``full`` and ``fade``, 0 outside ``start`` .. ``end``."""
    return smoothstep(start, full, value) * smoothstep(end, fade, value)
