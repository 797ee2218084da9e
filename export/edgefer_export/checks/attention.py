"""Attention: softmax weights that mix values sum to one; gates that scale maps lie within 0..1.

A softmax along the wrong axis exports without complaint and still trains; here the sum is taken along the
axis that the matrix product contracts, on real faces, in the graph itself. The probabilities at the end
are held to the same. A gate is whatever comes from sigmoids alone and is multiplied with something that
does not: mass attention, channel and spatial attention, patch gates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgefer_export.checks.check import Check
from edgefer_export.probe import constants, module_of, probe
from edgefer_runtime.contract import OUTPUT

if TYPE_CHECKING:
    from onnx import ModelProto

LIMIT = 1e-5

COMBINING = ("Mul", "Add", "Div", "Concat")
"""What gates are combined with."""

SHAPING = (
    *("Resize", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Expand", "Transpose"),
    *("QuantizeLinear", "DequantizeLinear", "Cast"),
)
"""What brings a gate, the first argument, into the shape and type in which it is multiplied."""


class Weights(NamedTuple):
    """Softmax weights: the module, its value in the graph, and the axis along which they sum to one."""

    module: str
    value: str
    axis: int


class Gate(NamedTuple):
    """A gate: the module and its value in the graph."""

    module: str
    value: str


def attention(model: ModelProto, faces: NDArray[np.uint8]) -> list[Check]:
    """One row a softmax that feeds a matrix product, one for the output, and one for all gates if any."""
    weights = [*mixing_weights(model), Weights(OUTPUT, OUTPUT, 1)]
    gates = find_gates(model)
    far, outside = dict.fromkeys(weights, 0.0), dict.fromkeys(gates, 0.0)
    tapped = {each.value for each in weights} | {gate.value for gate in gates}
    for values in probe(model, [*tapped], faces):
        for each in weights:
            distance = np.abs(values[each.value].astype(np.float32).sum(each.axis) - 1).max()
            far[each] = _worse(far[each], distance)
        for gate in gates:
            value = values[gate.value].astype(np.float32)
            outside[gate] = _worse(outside[gate], np.maximum(value - 1, -value).max())
    detail = f"{len(faces)} faces"
    checks = [
        Check.at_most(f"sum/{each.module}", far[each], LIMIT, "distance from one", detail) for each in weights
    ]
    if gates:
        worst = max(gates, key=lambda gate: outside[gate])
        modules = sorted({gate.module for gate in gates})
        detail = f"{detail}; farthest in {worst.module}, of the gates in {', '.join(modules)}"
        checks.append(Check.at_most("gates", outside[worst], LIMIT, "outside 0..1", detail))
    return checks


def mixing_weights(model: ModelProto) -> list[Weights]:
    """Every softmax output that a MatMul takes, with the axis that it contracts."""
    softmaxes = {node.output[0]: module_of(node) for node in model.graph.node if node.op_type == "Softmax"}
    return [
        Weights(softmaxes[value], value, -1 if side == 0 else -2)
        for node in model.graph.node
        if node.op_type == "MatMul"
        for side, value in enumerate(node.input)
        if value in softmaxes
    ]


def find_gates(model: ModelProto) -> list[Gate]:
    """What comes from sigmoids alone and is multiplied with what does not."""
    fixed, gating = constants(model), dict[str, str]()
    found: dict[str, Gate] = {}
    for node in model.graph.node:
        data = node.input[:1] if node.op_type in SHAPING else node.input
        moving = [value for value in data if value not in fixed]
        of_gates = [value for value in moving if value in gating]
        if node.op_type == "Sigmoid":
            gating[node.output[0]] = module_of(node)
        elif of_gates and of_gates == moving and node.op_type in (*COMBINING, *SHAPING):
            gating[node.output[0]] = gating[of_gates[0]]
        elif node.op_type == "Mul":
            found |= {value: Gate(gating[value], value) for value in of_gates}
    return [*found.values()]


def _worse(first: float, second: float) -> float:
    """The larger of two; not-a-number wins."""
    return float(np.maximum(first, second))
