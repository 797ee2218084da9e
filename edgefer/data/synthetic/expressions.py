"""Expressions as face units: what each emotion does to a face, and how one performance of it is drawn.

The recipes follow EMFACS (Ekman & Friesen, 1983) translated to the ARKit names of the Face Units asset
pack. ``*`` stands for Left and Right.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

Units = dict[str, float]


class Variant(NamedTuple):
    """One way to show an expression.

    Attributes:
        share: how often it is taken; the shares of an expression sum to 1.
        units: activation of each face unit.
    """

    share: float
    units: Mapping[str, float]


# fmt: off
RECIPES: dict[str, tuple[Variant, ...]] = {
    "anger": (
        # AU 4+5+7+23/24, lips pressed
        Variant(0.6, {
            "browDown*": 1.1, "eyeSquint*": 0.55, "eyeWide*": 0.15, "mouthPress*": 0.9,
            "mouthRollLower": 0.35, "mouthRollUpper": 0.25, "noseSneer*": 0.25, "jawForward": 0.3,
            "mouthShrugLower": 0.25,
        }),
        # AU 4+5+10+25, teeth bared
        Variant(0.4, {
            "browDown*": 1.1, "eyeSquint*": 0.3, "eyeWide*": 0.35, "noseSneer*": 0.45, "jawOpen": 0.25,
            "mouthUpperUp*": 0.45, "mouthLowerDown*": 0.65, "mouthStretch*": 0.35, "mouthFunnel": 0.25,
        }),
    ),
    "disgust": (
        # AU 4+9+10+17, lips closed
        Variant(0.65, {
            "noseSneer*": 1.0, "mouthUpperUp*": 0.75, "browDown*": 0.5, "eyeSquint*": 0.55,
            "cheekSquint*": 0.4, "mouthShrugLower": 0.3, "mouthFrown*": 0.3,
        }),
        # AU 4+9+10+15+25
        Variant(0.35, {
            "noseSneer*": 1.0, "mouthUpperUp*": 0.7, "browDown*": 0.55, "eyeSquint*": 0.65,
            "cheekSquint*": 0.4, "jawOpen": 0.2, "mouthLowerDown*": 0.4, "mouthFrown*": 0.35,
        }),
    ),
    "fear": (
        # AU 1+2+4+5+20+25
        Variant(0.7, {
            "browInnerUp": 1.0, "browOuterUp*": 0.5, "browDown*": 0.2, "eyeWide*": 1.0,
            "mouthStretch*": 0.95, "jawOpen": 0.22, "mouthLowerDown*": 0.35,
        }),
        # AU 1+2+4+5+20, lips closed
        Variant(0.3, {
            "browInnerUp": 1.0, "browOuterUp*": 0.3, "browDown*": 0.3, "eyeWide*": 0.9,
            "mouthStretch*": 1.0, "mouthPress*": 0.2, "mouthFrown*": 0.25, "mouthLowerDown*": 0.2,
        }),
    ),
    "happiness": (
        # AU 6+12, smiling
        Variant(0.45, {"mouthSmile*": 1.0, "cheekSquint*": 0.45, "eyeSquint*": 0.45, "mouthDimple*": 0.2}),
        # AU 6+12+25/26, laughing
        Variant(0.55, {
            "mouthSmile*": 0.95, "cheekSquint*": 0.5, "eyeSquint*": 0.5, "jawOpen": 0.22,
            "mouthUpperUp*": 0.45, "mouthLowerDown*": 0.2,
        }),
    ),
    "sadness": (
        # AU 1+4+15+17, eyes cast down
        Variant(0.7, {
            "browInnerUp": 0.95, "browDown*": 0.3, "mouthFrown*": 0.95, "mouthShrugLower": 0.45,
            "eyeBlink*": 0.28, "eyeLookDown*": 0.3, "mouthPucker": 0.1,
        }),
        # AU 1+4+7+15+20+25, near to tears
        Variant(0.3, {
            "browInnerUp": 0.9, "browDown*": 0.2, "mouthFrown*": 0.8, "mouthStretch*": 0.3, "jawOpen": 0.08,
            "eyeSquint*": 0.6, "cheekSquint*": 0.3, "mouthLowerDown*": 0.25,
        }),
    ),
    "surprise": (
        # AU 1+2+5+26
        Variant(0.75, {
            "browInnerUp": 1.0, "browOuterUp*": 1.0, "eyeWide*": 0.85, "jawOpen": 0.6, "mouthFunnel": 0.25,
        }),
        # the same with rounded lips
        Variant(0.25, {
            "browInnerUp": 0.9, "browOuterUp*": 1.0, "eyeWide*": 0.7, "jawOpen": 0.28, "mouthFunnel": 0.5,
            "mouthPucker": 0.15,
        }),
    ),
    "neutral": (Variant(1.0, {}),),
}
# fmt: on

CONFUSABLE = {
    "anger": ("disgust", "sadness"),
    "disgust": ("anger", "sadness"),
    "fear": ("surprise", "sadness"),
    "happiness": ("neutral", "surprise"),
    "sadness": ("neutral", "fear", "disgust"),
    "surprise": ("fear", "happiness"),
}
"""Expressions that one performance in ten borrows from."""

IDLE = {
    "jawOpen": 0.03,
    "mouthPucker": 0.08,
    "browInnerUp": 0.08,
    "mouthSmile*": 0.07,
    "mouthFrown*": 0.08,
    "mouthPress*": 0.1,
    "browDown*": 0.1,
    "eyeSquint*": 0.1,
    "eyeWide*": 0.08,
}
"""Standard deviation of the small motions that no face is free of."""

MOST = 1.25
"""No unit is driven further than this."""
LIMITS = {"cheekSquint": 0.6}
"""Above this the cheek's mesh cuts through the lower lid."""
LID_TRAVEL = 1.0
"""Blink and squint together close the eye at 1; beyond, the lids would pass through each other."""


class Habits(NamedTuple):
    """How one person's face moves.

    Attributes:
        gain: factor on each unit (name without its side).
        asymmetry: share by which the left side moves more than the right one.
    """

    gain: Mapping[str, float]
    asymmetry: float


def sided(name: str) -> tuple[str, ...]:
    """``mouthSmile*`` -> both sides; any other name -> itself."""
    return (name[:-1] + "Left", name[:-1] + "Right") if name.endswith("*") else (name,)


def expanded(units: Mapping[str, float]) -> Units:
    """``units`` with every ``*`` written out."""
    return {unit: value for name, value in units.items() for unit in sided(name)}


def muscle(unit: str) -> str:
    """The unit's name without its side."""
    return unit.removesuffix("Left").removesuffix("Right")


def perform(draws: np.random.RandomState, expression: str, habits: Habits) -> Units:
    """Face units of one performance of ``expression``, 0..:data:`MOST`.

    Args:
        draws: the performance's own stream.
        expression: one of :data:`RECIPES`.
        habits: of the person who performs.
    """
    variants = RECIPES[expression]
    variant = variants[draws.choice(len(variants), p=[v.share for v in variants])]
    intensity = draws.uniform(0.8, 1.15) if draws.random_sample() < 0.85 else draws.uniform(0.45, 0.8)
    units: Units = {}
    for name, value in variant.units.items():
        vigour = draws.uniform(0.7, 1.25) if draws.random_sample() > 0.05 else draws.uniform(0, 0.4)
        lean = draws.normal(0, 0.07) + habits.asymmetry
        for unit in sided(name):
            side = 1 if unit.endswith("Left") else -1 if unit.endswith("Right") else 0
            units[unit] = value * intensity * vigour * habits.gain[muscle(unit)] * (1 + side * lean)
    if expression in CONFUSABLE and draws.random_sample() < 0.10:
        others = CONFUSABLE[expression]
        share = draws.uniform(0.2, 0.4)
        for unit, value in expanded(RECIPES[others[draws.randint(len(others))]][0].units).items():
            units[unit] = units.get(unit, 0.0) * (1 - share / 2) + value * share
    for name, spread in IDLE.items():
        motion = abs(draws.normal(0, spread)) * (1.3 if expression == "neutral" else 0.6)
        for unit in sided(name):
            units[unit] = units.get(unit, 0.0) + motion
    if draws.random_sample() < 0.03:
        units["eyeBlinkLeft"] = units["eyeBlinkRight"] = draws.uniform(0.4, 1.0)
    return within_limits(units)


def within_limits(units: Mapping[str, float]) -> Units:
    """``units`` held to what the mesh can show without cutting through itself."""
    held = {
        unit: float(min(max(value, 0.0), LIMITS.get(muscle(unit), MOST))) for unit, value in units.items()
    }
    for side in ("Left", "Right"):
        blink = min(held.get(f"eyeBlink{side}", 0.0), LID_TRAVEL)
        if blink:
            held[f"eyeBlink{side}"] = blink
            held[f"eyeSquint{side}"] = min(held.get(f"eyeSquint{side}", 0.0), LID_TRAVEL - blink)
    return held
