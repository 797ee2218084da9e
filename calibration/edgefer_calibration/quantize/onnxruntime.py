"""ONNX Runtime's recipe: the first, thin convolutions stay float.

On three input channels, and depthwise at full resolution, there is little to multiply; ONNX Runtime's INT8
kernels lose there what they gain elsewhere. With PAtt-Lite's first convolution and the depthwise one after
it in float the engine is 1.35 times as fast as with both in INT8 (CPU time, AVX-512 VNNI), and less than half
of the quantization error is left, because the input is no longer rounded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgefer_calibration.quantize.qdq import QUANTIZED_OPERATORS, X86, Recipe
from edgefer_calibration.ranges import PREPROCESSING

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

THIN_CHANNELS = 3
"""Channels that each output of a thin convolution sees: the camera's, or a depthwise one's single channel."""


def recipe(model: ModelProto) -> Recipe:
    """How the float graph ``model`` is quantized."""
    return Recipe(X86, thin_convolutions(model), "mse")


def thin_convolutions(model: ModelProto) -> list[str]:
    """Names of the thin convolutions that come before any other, and of their activations."""
    graph = model.graph
    channels = {tensor.name: tensor.dims[1] for tensor in graph.initializer if len(tensor.dims) == 4}
    value = [node.output[0] for node in graph.node if node.name.startswith(PREPROCESSING)][-1]
    thin: list[str] = []
    while (node := _only_user(model, value)) is not None and node.op_type in QUANTIZED_OPERATORS:
        if node.op_type == "Conv" and channels.get(node.input[1], 0) > THIN_CHANNELS:
            break
        thin.append(node.name)
        value = node.output[0]
    return thin


def _only_user(model: ModelProto, value: str) -> NodeProto | None:
    users = [node for node in model.graph.node if value in node.input]
    return users[0] if len(users) == 1 else None
