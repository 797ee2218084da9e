"""The engine is what it says: its layers run in the labelled precision; it answers as the network does."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edgefer_export.checks.check import Check
from edgefer_export.checks.parity import clear_cases, parity
from edgefer_export.targets.base import BuiltEngine, Layer, Target

INT8_SHARE_LIMIT = 0.75
"""Of the convolutions' weights. Recipes leave small convolutions in float on purpose, every second one of
FCSDNet's; without Q/DQ an engine has none in INT8."""

DISAGREEMENT_LIMIT = 0.1
"""Of the clear cases, or one where there are few. This catches a broken engine; what INT8 cost is measured on
the evaluation set."""

NARROW_MARGIN = 0.2
"""Probability by which a class has to stand out before INT8 or bfloat16 is expected to name it too."""

HALF_DIFFERENCE_LIMIT = 0.02
"""Of a probability, between float16 and the network: ten times what PAtt-Lite, FCSDNet and LANMSFF show."""

BF16_DIFFERENCE_LIMIT = 0.025
"""Of a probability, between bfloat16 and the network: the mean over faces of each one's largest. Of twelve
faces PAtt-Lite shows up to 0.006, FCSDNet 0.004 and LANMSFF 0.013; and the first two from 0.04 on, with less
than a tenth of their clear cases flipped, when bfloat16 also computed which pixels the resize takes."""

EXECUTED = {"fp32": {"fp32"}, "fp16": {"fp16", "fp32"}, "bf16": {"bf16"}}
"""What the layers of a float engine may run in. A CPU without float16 arithmetic computes an fp16 engine in
float32; in bfloat16 it must not, which has three bits less."""


def check_engine(
    target: Target,
    engine: BuiltEngine,
    precision: str,
    faces: NDArray[np.uint8],
    expected: NDArray[np.float32],
) -> list[Check]:
    """Hold a built engine against its label and against the network, on this machine.

    Args:
        target: what built it.
        engine: its files.
        precision: its label.
        faces: real faces, uint8 N x H x W x 3.
        expected: the network's probabilities of them, N x K, from
            :func:`edgefer_export.checks.reference`.

    Returns:
        For an int8 engine: at least :data:`INT8_SHARE_LIMIT` of the convolutions run in INT8, counted by
        their weights, nothing runs in 16 bits, and it names the network's class. For any other: every layer
        runs in a type that :data:`EXECUTED` allows, and the probabilities are the network's; those in 16 bits
        also name its class.
    """
    layers = target.layers(engine)
    found = target.session(engine)(faces)
    label, name = f"{target.name}-{precision}", answering(target, precision)
    if precision == "int8":
        return [*_mostly_int8(label, layers), _agreement(name, expected, found)]
    executed = _all_in(EXECUTED[precision], label, layers)
    if precision == "fp32":
        return [executed, *parity(name, expected, found)]
    close = _close if precision == "fp16" else _close_on_average
    return [executed, close(name, expected, found), _agreement(name, expected, found)]


def answering(target: Target, precision: str) -> str:
    """What rows about answers are called after: an engine that cannot run here does not answer itself."""
    label = f"{target.name}-{precision}"
    return f"{label} as ONNX in {target.stand_in}" if target.stand_in else label


def _agreement(name: str, expected: NDArray[np.float32], found: NDArray[np.float32]) -> Check:
    clear = clear_cases(expected, NARROW_MARGIN)
    count = int(clear.sum())
    others = int((found.argmax(1) != expected.argmax(1))[clear].sum())
    detail = f"another class than the network's in float32, of {count} clear cases of {len(expected)} faces"
    limit = max(1, math.floor(DISAGREEMENT_LIMIT * count))
    return Check.at_most(f"agreement/{name}", others, limit, "faces", detail)


def _close(name: str, expected: NDArray[np.float32], found: NDArray[np.float32]) -> Check:
    difference = float(np.abs(expected - found).max())
    detail = f"largest difference; {len(expected)} faces, torch in float32 against {name}"
    return Check.at_most(f"parity/{name}", difference, HALF_DIFFERENCE_LIMIT, "probability", detail)


def _close_on_average(name: str, expected: NDArray[np.float32], found: NDArray[np.float32]) -> Check:
    difference = float(np.abs(expected - found).max(axis=1).mean())
    detail = f"mean of a face's largest difference; {len(expected)} faces, torch in float32 against {name}"
    return Check.at_most(f"parity/{name}", difference, BF16_DIFFERENCE_LIMIT, "probability", detail)


def _all_in(allowed: set[str], name: str, layers: list[Layer]) -> Check:
    others = [layer for layer in layers if layer.precision not in allowed]
    return Check.at_most(
        f"precision/{name}", len(others), 0, "layers", _detail(f"{len(layers)} layers", others)
    )


def _mostly_int8(name: str, layers: list[Layer]) -> list[Check]:
    convolutions = [layer for layer in layers if layer.convolution]
    floats = [layer for layer in convolutions if layer.precision != "int8"]
    narrow = [layer for layer in layers if layer.precision not in ("int8", "fp32")]
    weights = sum(layer.weights for layer in convolutions)
    share = 1 - sum(layer.weights for layer in floats) / weights if weights else 0.0
    detail = _detail(f"{len(convolutions)} convolutions", floats)
    islands = _detail("none in 16 bits allowed", narrow)
    return [
        Check.at_least(f"precision/{name}", share, INT8_SHARE_LIMIT, "of the convolutions' weights", detail),
        Check.at_most(f"float-islands/{name}", len(narrow), 0, "layers", islands),
    ]


def _detail(counted: str, others: list[Layer]) -> str:
    if not others:
        return f"{counted}, all as labelled"
    return f"{counted}; otherwise: " + ", ".join(f"{layer.module} ({layer.precision})" for layer in others)
