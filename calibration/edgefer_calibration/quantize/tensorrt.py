"""TensorRT's recipe: symmetric, and only what enters a convolution, a linear layer or a residual sum.

TensorRT takes signed integers with zero point 0 and float biases. A pair between a convolution and its
activation would part what it fuses, so outputs have none; both arguments of a residual sum have one, so that
the sum is fused into the convolution before it. What multiplies two activations (attention), and the
preprocessing, stay in float.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgefer_calibration.quantize.qdq import Form, Recipe
from edgefer_runtime.contract import PREPROCESSING

if TYPE_CHECKING:
    from onnx import ModelProto

SYMMETRIC = Form(("Conv", "Gemm", "MatMul", "Add"), outputs=(), symmetric=True)


def recipe(model: ModelProto) -> Recipe:
    """How the float graph ``model`` is quantized."""
    return Recipe(SYMMETRIC, float_islands(model), "mse")


def float_islands(model: ModelProto) -> list[str]:
    """Names of the nodes of :data:`SYMMETRIC` that stay in float."""
    weights = {tensor.name for tensor in model.graph.initializer}
    convolved = {node.output[0] for node in model.graph.node if node.op_type == "Conv"}
    islands = []
    for node in model.graph.node:
        if node.op_type not in SYMMETRIC.operators:
            continue
        constants = weights & set(node.input[:2])
        wanted = not constants and convolved & set(node.input) if node.op_type == "Add" else constants
        if not wanted or node.name.startswith(PREPROCESSING):
            islands.append(node.name)
    return islands
