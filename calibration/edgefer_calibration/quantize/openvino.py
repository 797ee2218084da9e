"""OpenVINO's recipe: convolutions but those of gates, and large linear layers, in a Q/DQ form of ONNX.

NNCF's ONNX back-end was measured beside it on PAtt-Lite, with the attention and the last layer in float in
both: the same speed to 1 %, three to five times the time to calibrate, and an error (Kullback-Leibler
divergence from the float network's answers on 980 faces) of 0.0051 by default and 0.0006 with min-max
ranges, with or without bias correction, against 0.0006 here. Its MIXED preset is 12 % slower. OpenVINO's
INT8 kernels are good at thin convolutions too: leaving the first two in float, as ONNX Runtime's recipe
does, would halve that error and cost 13 % of the speed.

What is only moved keeps its range (:mod:`edgefer_calibration.quantize.carrying`); ONNX Runtime's kernels need
a pair on both sides.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from edgefer_calibration.quantize.gates import gates
from edgefer_calibration.quantize.qdq import QUANTIZED_OPERATORS, X86, Recipe

if TYPE_CHECKING:
    from onnx import ModelProto

FORM = replace(X86, operators=(*QUANTIZED_OPERATORS, "Gemm"), carried=True)

LARGE = 2**14
"""Weights of a linear layer that is worth INT8, at least: reading them takes longer than multiplying, and
smaller ones, such as most classifiers, stay in the caches either way."""


def recipe(model: ModelProto) -> Recipe:
    """How the float graph ``model`` is quantized."""
    return Recipe(FORM, [*gates(model), *small_layers(model)], "mse")


def small_layers(model: ModelProto) -> list[str]:
    """Names of the linear layers that stay float."""
    sizes = {tensor.name: math.prod(tensor.dims) for tensor in model.graph.initializer}
    return [
        node.name
        for node in model.graph.node
        if node.op_type == "Gemm" and sizes.get(node.input[1], 0) < LARGE
    ]
