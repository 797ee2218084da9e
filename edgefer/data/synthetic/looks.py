"""Looks: skin, hair, brows, eyes, clothes and glasses of a person, as numbers that the painter reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from edgefer.data.synthetic.arrays import Floats
from edgefer.data.synthetic.streams import stream


def linear(color: ArrayLike) -> Floats:
    """Display colour 0..255 -> linear light 0..1 (gamma 2.2), float32."""
    light: Floats = ((np.asarray(color, np.float64) / 255) ** 2.2).astype(np.float32)
    return light


SKIN_TONES = linear(
    [
        [250, 224, 205],
        [241, 205, 178],
        [228, 184, 150],
        [205, 153, 114],
        [172, 119, 82],
        [134, 88, 58],
        [100, 62, 42],
        [72, 46, 34],
    ]
)
TONE_OF = {"african": 5.6, "asian": 2.0, "caucasian": 0.9}
"""Mean place on the scale of skin tones."""
FAIR_HAIR = ((92, 62, 36), (150, 112, 66), (196, 160, 104), (120, 60, 34), (60, 40, 26))
DARK_HAIR = ((28, 22, 20), (40, 28, 22), (18, 16, 18))
GREY = (170, 168, 165)
IRIDES = ((70, 44, 26), (52, 32, 20), (92, 110, 60), (70, 110, 150), (90, 120, 130))
"""Brown first; the last three only where the ancestry makes them likely."""
LIPSTICKS = ((170, 40, 50), (190, 80, 90), (120, 30, 50))
WAVES = 24
"""Plane waves of the skin's mottling: coarse, medium, fine, a third each."""


@dataclass(frozen=True)
class Spectacles:
    """Two rims: half width and height in decimetres, squareness (2 an ellipse), linear colour."""

    half_width: float
    half_height: float
    squareness: float
    color: Floats


@dataclass(frozen=True)
class Hair:
    """How the hair is worn.

    Attributes:
        color: linear RGB.
        shaved, long: shaved leaves stubble only; long adds strands to the shoulders.
        line, temples, fringe, parting: shape of the hairline, in decimetres or radians.
        thickness: decimetres above the scalp.
        beard, moustache: 0..1.
    """

    color: Floats
    shaved: bool
    long: bool
    line: float
    temples: float
    fringe: float
    parting: float
    thickness: float
    beard: float
    moustache: float


@dataclass(frozen=True)
class Brows:
    """Eyebrows: linear colour, thickness, height and arch in decimetres, density 0..1."""

    color: Floats
    thickness: float
    height: float
    arch: float
    density: float


@dataclass(frozen=True)
class Looks:
    """Everything painted on or worn by a person; colours are linear RGB, float32.

    Attributes:
        skin: base colour.
        mottle_waves, mottle_phases, mottle_amplitudes: the skin's plane waves (24 x 3, 24, 24).
        lip_tint: factor on the skin; lipstick: colour laid over it, or none.
        iris, clothes: colours; neckline: decimetres the collar is cut down.
        freckles: 0..1; wrinkles: 0..1, how deep the lines at rest are.
        hair, brows: see their classes; spectacles: or none.
    """

    skin: Floats
    mottle_waves: Floats
    mottle_phases: Floats
    mottle_amplitudes: Floats
    lip_tint: Floats
    lipstick: Floats | None
    iris: Floats
    clothes: Floats
    neckline: float
    freckles: float
    wrinkles: float
    hair: Hair
    brows: Brows
    spectacles: Spectacles | None


def draw_looks(number: int, ancestry: Mapping[str, float], male: float, age: float) -> Looks:
    """The looks of identity ``number``."""
    draws = stream("looks", number)
    man, fair = male > 0.5, ancestry["caucasian"]
    hair_color = _hair_color(draws, fair, age)
    return Looks(
        skin=_skin_color(draws, ancestry),
        mottle_waves=(draws.normal(0, 2, (WAVES, 3)) * np.repeat([1, 2.5, 5], WAVES // 3)[:, None]).astype(
            np.float32
        ),
        mottle_phases=draws.uniform(0, 2 * np.pi, WAVES).astype(np.float32),
        mottle_amplitudes=(np.repeat([0.03, 0.02, 0.012], WAVES // 3) * draws.uniform(0.4, 1.2)).astype(
            np.float32
        ),
        lip_tint=(np.array([1.0, 0.62, 0.6]) * draws.uniform(0.75, 1.0)).astype(np.float32),
        lipstick=linear(LIPSTICKS[draws.randint(3)]) if not man and draws.random_sample() < 0.3 else None,
        iris=linear(IRIDES[draws.randint(5) if draws.random_sample() < fair else draws.randint(2)]),
        clothes=linear(draws.uniform(20, 230, 3)),
        neckline=float(draws.uniform(0.15, 0.5)),
        freckles=float(draws.random_sample() < 0.12) * fair,
        wrinkles=float(np.clip((age - 0.45) * 1.6, 0.12, 1)),
        hair=_draw_hair(draws, hair_color, man, age),
        brows=Brows(
            color=linear(hair_color * 0.75),
            thickness=float(draws.uniform(0.026, 0.05) * (1.15 if man else 0.85)),
            height=float(draws.normal(0, 0.015)),
            arch=float(draws.uniform(0.035, 0.075)),
            density=float(draws.uniform(0.6, 1.0)),
        ),
        spectacles=draw_spectacles(draws) if draws.random_sample() < 0.12 else None,
    )


def draw_spectacles(draws: np.random.RandomState) -> Spectacles:
    """A pair of rims."""
    half_width = float(draws.uniform(0.24, 0.30))
    half_height = half_width * float(draws.uniform(0.65, 0.95))
    return Spectacles(
        half_width, half_height, float(draws.uniform(2.1, 3.5)), linear(draws.uniform(5, 90, 3))
    )


def _skin_color(draws: np.random.RandomState, ancestry: Mapping[str, float]) -> Floats:
    tone = sum(share * TONE_OF[name] for name, share in ancestry.items()) + draws.normal(0, 0.7)
    step, rest = divmod(float(np.clip(tone, 0, 6.99)), 1)
    color = SKIN_TONES[int(step)] * (1 - rest) + SKIN_TONES[int(step) + 1] * rest
    grey = color @ np.array([0.3, 0.6, 0.1])
    tint = np.array([1 + draws.normal(0, 0.03), 1, 1 + draws.normal(0, 0.04)])
    skin: Floats = ((color * 0.88 + grey * 0.12) * tint).astype(np.float32)
    return skin


def _hair_color(draws: np.random.RandomState, fair: float, age: float) -> Floats:
    palette = FAIR_HAIR if draws.random_sample() < fair * 0.8 else DARK_HAIR
    color = np.array(palette[draws.randint(len(palette))], np.float32)
    if age > 0.75 and draws.random_sample() < 0.7:
        color = color * np.float32(0.4) + np.array(GREY, np.float32) * np.float32(0.6)
    return color


def _draw_hair(draws: np.random.RandomState, color: Floats, man: bool, age: float) -> Hair:
    beard = float(draws.choice([0, 0, 0.35, 0.8])) if man else 0.0
    moustache = float(draws.choice([0, 0, 0.7])) if man else 0.0
    return Hair(
        color=linear(color),
        shaved=bool(man and draws.random_sample() < 0.2),
        long=bool(draws.random_sample() < (0.05 if man else 0.75)),
        line=float(draws.uniform(-0.12, 0.10)) + (0.1 if man and age > 0.6 else 0.0),
        temples=float(draws.uniform(-0.1, 0.25)),
        fringe=float(draws.uniform(0.15, 0.3)) if draws.random_sample() < 0.2 else 0.0,
        parting=float(draws.normal(0, 0.25)),
        thickness=float(draws.uniform(0.05, 0.2)),
        beard=beard,
        moustache=max(moustache, beard) if beard > 0.5 else moustache,
    )
