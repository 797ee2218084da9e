"""What a camera makes of light: backgrounds, exposure, a patch before the lens, blur, noise."""

from __future__ import annotations

from functools import cache

import numpy as np

from edgefer.data.synthetic.arrays import Bytes, Floats, Mask
from edgefer.data.synthetic.looks import linear
from edgefer.data.synthetic.shaping import smoothstep

MIDDLE_BRIGHTNESS = 0.36
"""Linear brightness that the brighter third of the picture's middle is exposed for."""


@cache
def _grid(size: int) -> tuple[Floats, Floats]:
    """x and y of pixel centres, 0..1."""
    centre = (np.arange(size, dtype=np.float32) + np.float32(0.5)) / np.float32(size)
    x, y = np.meshgrid(centre, centre)
    return x, y


def background(draws: np.random.RandomState, size: int, wild: bool) -> Floats:
    """What stands behind the head; float32, size x size x 3, linear."""
    x, y = _grid(size)
    if not wild:
        color = linear(np.full(3, draws.uniform(90, 215))) * (1 + draws.normal(0, 0.02, 3)).astype(np.float32)
        wall: Floats = color * (1 - np.float32(0.25) * np.hypot(x - 0.5, y - 0.4))[..., None]
        return wall
    start, end = linear(draws.uniform(10, 235, 3)), linear(draws.uniform(10, 235, 3))
    turn = draws.uniform(0, 2 * np.pi)
    ramp = x * np.float32(np.cos(turn)) + y * np.float32(np.sin(turn))
    ramp = (ramp - ramp.min()) / np.ptp(ramp)
    picture: Floats = start + (end - start) * ramp[..., None]
    for _ in range(draws.randint(0, 9)):
        color, alpha = linear(draws.uniform(0, 255, 3)), draws.uniform(0.3, 1)
        (cx, cy), (width, height) = draws.random_sample(2), draws.uniform(0.04, 0.4, 2)
        u, v = np.abs(x - np.float32(cx)) / np.float32(width), np.abs(y - np.float32(cy)) / np.float32(height)
        distance = np.hypot(u, v) if draws.random_sample() < 0.5 else np.maximum(u, v)
        softness = draws.uniform(0.05, 0.4)
        share = np.float32(alpha) * smoothstep(1 + softness, 1 - softness, distance)
        picture += (color - picture) * share[..., None]
    return picture


def patch(draws: np.random.RandomState, look: np.random.RandomState, size: int) -> tuple[Mask, Floats]:
    """A striped flat thing before the face: where it is, and its colour there (N x 3).

    Args:
        draws: the view's stream: place and turn.
        look: the performance's stream: shape, size, colour and stripes.
        size: pixels a side.
    """
    color = linear(look.uniform(0, 255, 3))
    width, height = look.uniform(0.25, 0.5, 2)
    stripes, angular = look.uniform(0.1, 0.9) * 128, look.random_sample() < 0.6
    (cx, cy), turn = draws.uniform(0.3, 0.7, 2), draws.uniform(0, np.pi)
    x, y = _grid(size)
    dx, dy = x - np.float32(cx), y - np.float32(cy)
    cosine, sine = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    along, across = dx * cosine + dy * sine, dy * cosine - dx * sine
    u, v = np.abs(along) * np.float32(2 / width), np.abs(across) * np.float32(2 / height)
    covered = np.maximum(u, v) < 1 if angular else np.hypot(u, v) < 1
    return covered, color * (1 + np.float32(0.2) * np.sin(along[covered] * np.float32(stripes)))[:, None]


def exposed(light: Floats, draws: np.random.RandomState, wild: bool) -> Floats:
    """``light`` scaled so that the middle of the picture is well exposed, more or less."""
    size = len(light)
    middle = light[size // 4 : 3 * size // 4, size // 4 : 3 * size // 4].mean(-1).ravel()
    rank = int(0.7 * len(middle))
    reference = float(np.partition(middle, rank)[rank])
    choice = draws.uniform(0.75, 1.35) if wild else draws.uniform(0.9, 1.1)
    return light * np.float32(MIDDLE_BRIGHTNESS * choice / max(reference, 1e-3))


def developed(light: Floats, draws: np.random.RandomState, wild: bool) -> Bytes:
    """Linear light -> uint8 picture: shoulder, gamma 2.2; in the wild also blur, noise, sometimes grey."""
    size = len(light)
    if wild and draws.random_sample() < 0.35:
        light = blurred(light, draws.uniform(0.4, 1.3) * size / 128)
    light = light / (1 + np.float32(0.6) * (light - np.float32(0.8)).clip(0))
    picture = light.clip(0, 1) ** np.float32(1 / 2.2)
    if wild:
        picture += draws.normal(0, draws.uniform(0.003, 0.035), picture.shape).astype(np.float32)
        if draws.random_sample() < 0.12:
            picture = np.repeat(picture.mean(-1, keepdims=True), 3, axis=-1)
    result: Bytes = (picture.clip(0, 1) * 255 + np.float32(0.5)).astype(np.uint8)
    return result


def blurred(picture: Floats, sigma: float) -> Floats:
    """Gaussian blur, edges repeated; ``sigma`` in pixels."""
    reach = int(3 * sigma) + 1
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    taps = (taps / taps.sum()).astype(np.float32)
    height, width = picture.shape[:2]
    padded = np.pad(picture, [(reach, reach), (0, 0), (0, 0)], mode="edge")
    picture = sum(tap * padded[i : i + height] for i, tap in enumerate(taps))
    padded = np.pad(picture, [(0, 0), (reach, reach), (0, 0)], mode="edge")
    result: Floats = sum(tap * padded[:, i : i + width] for i, tap in enumerate(taps))
    return result
