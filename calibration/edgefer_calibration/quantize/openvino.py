"""OpenVINO's recipe: every convolution but those of gates, in the same Q/DQ form that ONNX Runtime reads.

NNCF's ONNX back-end was measured beside it on PAtt-Lite, with the attention and the last layer in float in
both: the same speed to 1 %, three to five times the time to calibrate, and an error (Kullback-Leibler
divergence from the float network's answers on 980 faces) of 0.0051 by default and 0.0006 with min-max
ranges, with or without bias correction, against 0.0006 here. Its MIXED preset is 12 % slower. OpenVINO's
INT8 kernels are good at thin convolutions too: leaving the first two in float, as ONNX Runtime's recipe
does, would halve that error and cost 13 % of the speed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgefer_calibration.quantize.gates import gates
from edgefer_calibration.quantize.qdq import X86, Recipe

if TYPE_CHECKING:
    from onnx import ModelProto


def recipe(model: ModelProto) -> Recipe:
    """How the float graph ``model`` is quantized."""
    return Recipe(X86, gates(model), "mse")
