"""Light: a key light with a shadow, a fill opposite it, the sky; skin scatters, eyes and lenses shine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edgefer.data.synthetic.arrays import Bytes, Floats, Ints
from edgefer.data.synthetic.camera import PIVOT
from edgefer.data.synthetic.mesh import Material, normalized
from edgefer.data.synthetic.paint import Paint
from edgefer.data.synthetic.rasterizer import rasterize

SHADOW_SIZE = 128
SHADOW_REACH = 1.9
"""Half the side of the shadow map in decimetres."""
SHADOW_BIAS = 0.03
SHADOW_LIFT = 0.05
"""Decimetres along the normal at which a surface asks for its light, so that it does not shade itself."""
SHADOW_TAPS = ((-0.8, -0.8), (0.8, -0.8), (-0.8, 0.8), (0.8, 0.8), (0.0, 0.0))
WRAP_TINT = np.array([1.3, 0.8, 0.7], np.float32)
"""Light that wraps around skin reddens on its way."""
SKY_TINT = np.array([1, 1, 1.03], np.float32)
HIGHLIGHT = {Material.EYE: (3.0, 160), Material.LENS: (1.0, 80)}
"""Strength and exponent of the Blinn highlight where they differ from the next line."""
USUAL_HIGHLIGHT = (0.25, 24)


@dataclass(frozen=True)
class Light:
    """The light of one view, in the camera's frame.

    Attributes:
        direction: float32, 3; towards the key light.
        color: float32, 3; the key's colour; key, sky, fill: strengths.
    """

    direction: Floats
    color: Floats
    key: float
    sky: float
    fill: float


class Surface(NamedTuple):
    """Visible points in the head's frame, float32: position, normal (N x 3), openness (N), material."""

    position: Floats
    normal: Floats
    openness: Floats
    material: Bytes


def draw_light(draws: np.random.RandomState, wild: bool) -> Light:
    """A studio's soft key from before the face, or any light there is."""
    azimuth, elevation = np.deg2rad(
        [draws.uniform(-80, 80), draws.uniform(-10, 65)]
        if wild
        else [draws.uniform(-35, 35), draws.uniform(15, 45)]
    )
    direction = [np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)]
    return Light(
        direction=np.array(direction, np.float32),
        color=np.array(
            [1 + draws.normal(0, 0.1), 1, 1 + draws.normal(0, 0.14)] if wild else [1, 1, 1], np.float32
        ),
        key=float(draws.uniform(0.9, 2.6) if wild else draws.uniform(1.3, 1.8)),
        sky=float(draws.uniform(0.15, 0.55) if wild else draws.uniform(0.35, 0.5)),
        fill=float(draws.uniform(0.1, 0.3)),
    )


class ShadowMap:
    """How far the key light reaches into a scene, looked up with five taps."""

    def __init__(self, direction: Floats, vertices: Floats, triangles: Ints) -> None:
        right = np.cross([0, 1, 0], direction)
        right /= np.linalg.norm(right)
        scale = SHADOW_SIZE / 2 / SHADOW_REACH
        axes = np.stack([right * scale, np.cross(direction, right) * scale, -direction])
        self._axes: Floats = axes.astype(np.float32)
        x, y, depth = self._project(vertices)
        self._depth = rasterize(x, y, depth, triangles, SHADOW_SIZE).depth + np.float32(SHADOW_BIAS)

    def lit(self, surface: Surface) -> Floats:
        """Share of the key light that reaches each point; float32, N, 0..1."""
        x, y, depth = self._project(surface.position + surface.normal * np.float32(SHADOW_LIFT))
        total = np.zeros(len(depth), np.float32)
        for shift_x, shift_y in SHADOW_TAPS:
            column = (x + np.float32(shift_x)).astype(np.int32).clip(0, SHADOW_SIZE - 1)
            row = (y + np.float32(shift_y)).astype(np.int32).clip(0, SHADOW_SIZE - 1)
            total += depth < self._depth[row * SHADOW_SIZE + column]
        return total / np.float32(len(SHADOW_TAPS))

    def _project(self, points: Floats) -> Floats:
        projected = self._axes @ (points - PIVOT).T
        projected[:2] += np.float32(SHADOW_SIZE / 2)
        return projected


def shade(surface: Surface, paint: Paint, light: Light, rotation: Floats, eye: Floats, lit: Floats) -> Floats:
    """Linear RGB leaving each point towards the camera; float32, N x 3.

    Args:
        surface: the points.
        paint: their albedo and shine.
        light: in the camera's frame.
        rotation: float32, 3 x 3; head frame -> camera frame.
        eye: float32, 3; the camera's place in the head's frame.
        lit: float32, N; from :meth:`ShadowMap.lit`.
    """
    material = surface.material
    towards_key = rotation.T @ light.direction
    towards_fill = rotation.T @ np.array([-light.direction[0], 0.2, 0.6], np.float32)
    up = rotation[1]
    view = normalized(eye - surface.position)
    normal = surface.normal
    facing = np.einsum("ij,ij->i", normal, view)
    away = facing < -0.15
    normal = np.where(away[:, None], -normal, normal)
    facing = np.where(away, -facing, facing).clip(0, 1)

    fleshy = (material == Material.SKIN) | (material == Material.HAND)
    wrap = np.where(fleshy, np.float32(0.25), np.float32(0.05))
    key = ((normal @ towards_key)[:, None] + wrap[:, None] * WRAP_TINT).clip(0)
    key *= (light.key * (0.15 + 0.85 * lit) / (1 + wrap))[:, None] * light.color
    fill = light.fill * (0.5 + 0.5 * normal @ towards_fill).clip(0, 1)
    sky = light.sky * (0.6 + 0.4 * normal @ up)
    ambient = (sky[:, None] * SKY_TINT + fill[:, None]) * surface.openness[:, None]

    halfway = np.einsum("ij,ij->i", normal, normalized(towards_key + view)).clip(0, 1)
    shine = np.float32(USUAL_HIGHLIGHT[0]) * halfway ** USUAL_HIGHLIGHT[1]
    for kind, (strength, exponent) in HIGHLIGHT.items():
        points = np.flatnonzero(material == kind)
        shine[points] = np.float32(strength) * halfway[points] ** exponent
    shine *= paint.shine * (0.1 + 0.9 * lit) * np.float32(light.key / 2)
    rim = np.where(
        (material == Material.SKIN) | (material == Material.HAIR), 0.05 * light.sky * (1 - facing) ** 3, 0
    )
    color: Floats = (
        paint.albedo * (key + ambient) + shine[:, None] * light.color + rim[:, None].astype(np.float32)
    )
    return color
