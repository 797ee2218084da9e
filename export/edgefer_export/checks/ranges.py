"""Ranges: what becomes of weights and activations when they are rounded to float16.

Beyond 65504 a number is infinite in float16; below 6e-5 it loses digits, and below 6e-8 it is zero. Neither
shows in float32, and the first shows in float16 only on the face that reaches it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgefer_export.checks.check import Check
from edgefer_export.probe import module_of, probe

if TYPE_CHECKING:
    from onnx import ModelProto

LARGEST = float(np.finfo(np.float16).max)

ROUNDING_LIMIT = 0.01
"""Of the root mean square of a tensor. Rounding normal numbers costs 0.0002; a tensor that loses fifty times
as much lies mostly below what float16 resolves."""


@dataclass(slots=True)
class Range:
    """What a module's tensors span.

    Attributes:
        largest: the largest magnitude.
        rounding: the largest relative error of a tensor, root mean square, once rounded to float16.
    """

    largest: float = 0.0
    rounding: float = 0.0


def half_ranges(model: ModelProto, faces: NDArray[np.uint8]) -> Mapping[str, Range]:
    """Module -> the range of its weights, and of its outputs on ``faces``, in the order they compute.

    Args:
        model: a float32 graph.
        faces: real faces, as those for calibration, uint8 N x H x W x 3.
    """
    import onnx

    ranges: dict[str, Range] = defaultdict(Range)
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    modules = {node.output[0]: module_of(node) for node in model.graph.node}
    for node in model.graph.node:
        for value in node.input:
            if value in weights and weights[value].dtype == np.float32:
                _widen(ranges[module_of(node)], weights[value], *_powers(weights[value]))
    sums: dict[str, NDArray[np.float64]] = defaultdict(lambda: np.zeros(2))
    for values in probe(model, [*modules], faces):
        for name, value in values.items():
            if value.dtype == np.float32:
                sums[name] += _powers(value)
                _widen(ranges[modules[name]], value, *sums[name])
    return dict(ranges)


def half_precision(
    model: ModelProto, faces: NDArray[np.uint8], kept: Collection[str] = ("preprocess",)
) -> list[Check]:
    """Two rows, overflow and underflow, over the modules of a float32 graph that are to run in float16.

    Args:
        model: the float32 graph.
        faces: real faces, uint8 N x H x W x 3.
        kept: modules that stay in float32.
    """
    ranges = {name: span for name, span in half_ranges(model, faces).items() if name not in kept}
    widest = max(ranges, key=lambda name: ranges[name].largest)
    coarsest = max(ranges, key=lambda name: ranges[name].rounding)
    over = [name for name, span in ranges.items() if not span.largest <= LARGEST]
    coarse = [name for name, span in ranges.items() if not span.rounding <= ROUNDING_LIMIT]
    scope = f"weights and activations of {len(ranges)} modules on {len(faces)} faces"
    return [
        Check.at_most(
            "fp16-overflow",
            ranges[over[0] if over else widest].largest,
            LARGEST,
            "largest magnitude",
            f"{scope}; {_named(over, f'largest in {widest}')}",
        ),
        Check.at_most(
            "fp16-underflow",
            ranges[coarse[0] if coarse else coarsest].rounding,
            ROUNDING_LIMIT,
            "relative rounding error",
            f"{scope}; {_named(coarse, f'largest in {coarsest}')}",
        ),
    ]


def _named(guilty: Collection[str], otherwise: str) -> str:
    return f"beyond the limit: {', '.join(guilty)}" if guilty else otherwise


def _powers(value: NDArray[Any]) -> NDArray[np.float64]:
    """Power of ``value``'s float16 rounding error, and of itself; what overflows is left to the other row."""
    import torch  # converts to float16 thirty times as fast as numpy

    inside = torch.tensor(value).clamp_(-LARGEST, LARGEST)
    error = inside - inside.half().float()
    norms = [float(torch.linalg.vector_norm(each, dtype=torch.float64)) for each in (error, inside)]
    return np.square(norms)


def _widen(span: Range, value: NDArray[Any], error: float, power: float) -> None:
    span.largest = float(np.maximum(span.largest, np.abs(value).max(initial=0)))
    if power:
        span.rounding = max(span.rounding, float(np.sqrt(error / power)))
