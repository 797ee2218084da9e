"""Attention: what mixes values with softmax weights gives each of its results weights that sum to one.

A softmax along the wrong axis exports without complaint and still trains; here the sum is taken along the
axis that the matrix product contracts, on real faces, in the graph itself. The probabilities at the end
are held to the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgefer_export.checks.check import Check
from edgefer_export.graph import OUTPUT

if TYPE_CHECKING:
    from onnx import ModelProto

LIMIT = 1e-5


def attention_weights(model: ModelProto, faces: NDArray[np.uint8]) -> list[Check]:
    """One row a softmax that feeds a matrix product, one for the output: distance of the sums from one."""
    import onnx

    from edgefer_export.sessions import onnxruntime_session

    checks = []
    for name, value, axis in [*_mixing_weights(model), (OUTPUT, OUTPUT, 1)]:
        probe = onnx.ModelProto()
        probe.CopyFrom(model)
        del probe.graph.output[:]
        probe.graph.output.append(onnx.ValueInfoProto(name=value))
        sums = onnxruntime_session(probe.SerializeToString())(faces).sum(axis)
        far = float(np.abs(sums - 1).max())
        checks.append(Check.at_most(f"sum/{name}", far, LIMIT, "distance from one", f"{len(faces)} faces"))
    return checks


def _mixing_weights(model: ModelProto) -> list[tuple[str, str, int]]:
    """Module, value and contracted axis of every softmax output that a MatMul takes."""
    softmaxes = {
        node.output[0]: node.name.split("/")[0] for node in model.graph.node if node.op_type == "Softmax"
    }
    return [
        (softmaxes[value], value, -1 if side == 0 else -2)
        for node in model.graph.node
        if node.op_type == "MatMul"
        for side, value in enumerate(node.input)
        if value in softmaxes
    ]
