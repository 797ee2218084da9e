"""Cameras: where a view is taken from, and how the head lands on the picture."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from edgefer.data.synthetic.arrays import Floats
from edgefer.data.synthetic.head import Head

YAWS = (-90, -45, 0, 45, 90)
"""Nominal poses in degrees; positive turns the face to the right of the picture (the person's left)."""
PIVOT = np.array([0, 7.05, 0.55], np.float32)
"""The point the head turns about, decimetres."""
LOWERED = np.array([0, 0.04])
"""Half sides by which the crop moves up, so that the chin keeps some room."""
STUDIO_DISTANCE = 12.0
JITTER = {False: (3, 3, 2), True: (9, 7, 5)}
"""wild -> standard deviation of yaw, pitch and roll in degrees."""


@dataclass(frozen=True)
class Camera:
    """A pinhole camera at rest and a head turned before it.

    Attributes:
        rotation: float32, 3 x 3; head frame -> camera frame.
        distance: decimetres from the pivot.
        crop_scale, crop_shift: the crop's side over the face's, and its shift over half that side.
        window: a crop that stays where it is, whatever the face does: x and y of its centre from the pivot's,
            and half its side, in decimetres at the pivot's distance.
    """

    rotation: Floats
    distance: float
    crop_scale: float = 1.0
    crop_shift: Floats = field(default_factory=lambda: np.zeros(2, np.float32))
    window: tuple[float, float, float] | None = None

    @property
    def place(self) -> Floats:
        """Where the camera is in the head's frame; float32, 3."""
        place: Floats = self.rotation.T @ np.array([0, 0, self.distance], np.float32) + PIVOT
        return place


def draw_camera(draws: np.random.RandomState, yaw: int, wild: bool) -> Camera:
    """A camera for a nominal ``yaw`` (degrees)."""
    angles = np.deg2rad(np.array([yaw, 0, 0]) + draws.normal(0, 1, 3) * JITTER[wild])
    return Camera(
        rotation=rotation(*angles),
        distance=float(draws.uniform(7, 16)) if wild else STUDIO_DISTANCE,
        crop_scale=float(draws.uniform(0.9, 1.15) if wild else draws.uniform(0.95, 1.05)),
        crop_shift=draws.normal(0, 0.05 if wild else 0.02, 2) + LOWERED,
    )


def project(camera: Camera, model: Head, vertices: Floats, size: int) -> tuple[Floats, Floats, Floats]:
    """Screen x, screen y (pixels, y downwards) and depth (decimetres from the camera) of ``vertices``.

    The crop frames the front of the face: a box around all that lies before the ears would put
    a face seen from the side at the edge of its picture.

    Args:
        camera: the view.
        model: tells which of the first vertices are the front of the face.
        vertices: float32, V x 3; the first ones are the head's.
        size: pixels a side.
    """
    turned = (vertices - PIVOT) @ camera.rotation.T
    scale = np.float32(camera.distance) / (np.float32(camera.distance) - turned[:, 2])
    x, y = turned[:, 0] * scale, turned[:, 1] * scale
    centre_x, centre_y, half = camera.window or _around(x[model.front], y[model.front], camera)
    pixels = np.float32(size / (2 * half))
    screen_x = np.float32(size / 2) + (x - np.float32(centre_x)) * pixels
    screen_y = np.float32(size / 2) - (y - np.float32(centre_y)) * pixels
    return screen_x, screen_y, np.float32(camera.distance) - turned[:, 2]


def _around(x: Floats, y: Floats, camera: Camera) -> tuple[float, float, float]:
    """Centre and half side of the crop around the front of the face."""
    box = np.array([[x.min(), x.max()], [y.min(), y.max()]], np.float64)
    half = float(np.ptp(box, axis=1).max()) / 2 * camera.crop_scale
    centre = box.mean(1) + camera.crop_shift * half
    return float(centre[0]), float(centre[1]), half


def rotation(yaw: float, pitch: float, roll: float) -> Floats:
    """Head frame -> camera frame, float32, 3 x 3: a turn about y, then x, then z (radians)."""
    (cy, sy), (cp, sp), (cr, sr) = ((np.cos(a), np.sin(a)) for a in (yaw, pitch, roll))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    turn: Floats = (about_z @ about_x @ about_y).astype(np.float32)
    return turn
