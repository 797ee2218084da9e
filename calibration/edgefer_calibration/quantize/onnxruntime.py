"""ONNX Runtime's recipe: gates, and the first convolutions where they are thin, stay float.

Where an output sums only a few products, ONNX Runtime's INT8 kernels lose what they gain elsewhere. With
PAtt-Lite's first convolution and the depthwise one after it in float the engine is 1.33 times as fast as with
both in INT8 (CPU time of one thread, AVX-512 VNNI), and less than half of the quantization error is left,
because the input is no longer rounded. The 7 x 7 stem of DSAN sums more: in INT8 it makes the engine 1.37
times as fast [1.34, 1.41]. FCSDNet's is as large, but what reads it, a normalisation, is float: with it in
float, too, the engine is 1.15 times as fast [1.10, 1.22].
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edgefer_calibration.quantize.gates import gates
from edgefer_calibration.quantize.qdq import QUANTIZED_OPERATORS, X86, Recipe
from edgefer_runtime.contract import PREPROCESSING

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

THIN_CHANNELS, THIN_PRODUCTS = 3, 27
"""Of a thin convolution, the channels that each output sees and the products that it sums, at most: 3 x 3
pixels in three colours, or of a depthwise convolution's single channel."""

PASSING = ("Relu", "Clip", "MaxPool")
"""What hands INT8 values on as they are."""


def recipe(model: ModelProto) -> Recipe:
    """How the float graph ``model`` is quantized."""
    return Recipe(X86, [*thin_convolutions(model), *gates(model)], "mse")


def thin_convolutions(model: ModelProto) -> list[str]:
    """Names of the convolutions before any other that are not worth INT8, and of their activations."""
    kernels = {tensor.name: tensor.dims[1:] for tensor in model.graph.initializer if len(tensor.dims) == 4}
    value = [node.output[0] for node in model.graph.node if node.name.startswith(PREPROCESSING)][-1]
    thin: list[str] = []
    while len(users := _users(model, value)) == 1 and users[0].op_type in QUANTIZED_OPERATORS:
        (node,) = users
        value = node.output[0]
        if node.op_type == "Conv":
            channels, *size = kernels[node.input[1]]
            large = channels * math.prod(size) > THIN_PRODUCTS and _convolved(model, value)
            if channels > THIN_CHANNELS or large:
                break
        thin.append(node.name)
    return thin


def _convolved(model: ModelProto, value: str) -> bool:
    """Whether a convolution reads ``value``, as it is or after something of :data:`PASSING`."""
    return any(
        user.op_type == "Conv" or (user.op_type in PASSING and _convolved(model, user.output[0]))
        for user in _users(model, value)
    )


def _users(model: ModelProto, value: str) -> list[NodeProto]:
    return [node for node in model.graph.node if value in node.input]
