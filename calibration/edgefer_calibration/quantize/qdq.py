"""Writes the quantized graph: a Q/DQ pair wherever INT8 computes, by ONNX Runtime's quantizer.

The ranges are given, not measured here, so that one graph takes a fraction of a second.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgefer_calibration.quantize.carrying import carry_pairs
from edgefer_calibration.ranges import Limits
from edgefer_runtime.engines.libraries import import_onnxruntime

if TYPE_CHECKING:
    from onnx import ModelProto

QUANTIZED_OPERATORS = ("Conv", "Relu", "Clip")
"""Convolutions and what is fused into them; preprocessing, attention and softmax stay float."""


@dataclass(frozen=True, slots=True)
class Form:
    """Where pairs stand, and what integers are in them.

    Attributes:
        operators: whose inputs are quantized.
        outputs: those of them whose outputs are too.
        symmetric: activations S8 with zero point 0, and biases float; otherwise U8 with one of their own,
            and biases S32.
        carried: whether what is only moved keeps its range; see :mod:`.carrying`.
    """

    operators: tuple[str, ...]
    outputs: tuple[str, ...]
    symmetric: bool
    carried: bool = False


X86 = Form(QUANTIZED_OPERATORS, outputs=QUANTIZED_OPERATORS, symmetric=False)
"""What x86 multiplies fastest with S8 weights: signed activations take ONNX Runtime twice as long."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one graph is quantized for one target.

    Attributes:
        form: where pairs stand.
        float_islands: names of nodes of ``form``'s operators that stay float all the same.
        method: how ranges are chosen, one of :data:`edgefer_calibration.ranges.METHODS`.
    """

    form: Form
    float_islands: Sequence[str]
    method: str


def write_qdq(model: ModelProto, recipe: Recipe, limits: Mapping[str, Limits], out: Path) -> dict[str, Any]:
    """Quantize ``model`` as ``recipe`` says and write the result to ``out``.

    Weights are S8 per output channel, without which depthwise convolutions lose their small channels.

    Args:
        model: the float graph; stays as it is.
        recipe: where pairs stand.
        limits: the range of every activation, as chosen by the recipe's method.
        out: the file to write.

    Returns:
        The recipe as JSON.
    """
    import_onnxruntime()
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization.calibrate import TensorData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    form = recipe.form
    tensors = {
        name: TensorData(lowest=np.float32(low), highest=np.float32(high))
        for name, (low, high) in limits.items()
    }
    clipped = {node.output[0] for node in model.graph.node if node.op_type == "Clip"}
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        quantizer = QDQQuantizer(
            model,
            per_channel=True,
            reduce_range=False,
            weight_qType=QuantType.QInt8,
            activation_qType=QuantType.QInt8 if form.symmetric else QuantType.QUInt8,
            tensors_range=tensors,
            nodes_to_quantize=[],
            nodes_to_exclude=list(recipe.float_islands),
            op_types_to_quantize=list(form.operators),
            extra_options={
                "ActivationSymmetric": form.symmetric,
                "QuantizeBias": not form.symmetric,
                "OpTypesToExcludeOutputQuantization": sorted({*form.operators} - {*form.outputs}),
            },
        )
        quantizer.quantize_model()
        if form.carried:
            carry_pairs(quantizer.model.model, clipped)
        quantizer.model.save_model_to_file(out)
    finally:
        logging.disable(previous)
    return {
        "method": "Q/DQ by onnxruntime.quantization",
        "ranges": recipe.method,
        "activations": f"{'int8, symmetric' if form.symmetric else 'uint8, asymmetric'}, per tensor",
        "weights": "int8, symmetric, per output channel",
        "operators": list(form.operators),
        "float_islands": list(recipe.float_islands),
        "tools": {library: version(library) for library in ("onnxruntime", "onnx")},
    }
