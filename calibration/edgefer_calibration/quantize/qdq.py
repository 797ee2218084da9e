"""Writes the quantized graph: ranges from calibration faces, then a Q/DQ pair wherever INT8 computes.

ONNX Runtime's quantizer does both. Faces run through the network one at a time, and their ranges are merged
every few faces, so memory does not grow with the set.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgefer_calibration.sets import CalibrationSet

if TYPE_CHECKING:
    from onnx import ModelProto

QUANTIZED_OPERATORS = ("Conv", "Relu", "Clip")
"""Convolutions and what is fused into them; preprocessing, attention, softmax, linear layers stay float."""


@dataclass(frozen=True, slots=True)
class Form:
    """Where pairs stand, and what integers are in them.

    Attributes:
        operators: whose inputs are quantized.
        outputs: whether their outputs are too.
        symmetric: activations S8 with zero point 0, and biases float; otherwise U8 with one of their own,
            and biases S32.
    """

    operators: tuple[str, ...]
    outputs: bool
    symmetric: bool


X86 = Form(QUANTIZED_OPERATORS, outputs=True, symmetric=False)
"""What x86 multiplies fastest with S8 weights: signed activations take ONNX Runtime twice as long."""

MERGED_FACES = 60
"""Faces whose ranges are kept apart at most; the library wants a divisor of their number."""


class _Faces:
    """ONNX Runtime's calibration reader: one face at a time."""

    def __init__(self, name: str, images: NDArray[np.uint8]) -> None:
        self._name, self._images = name, images
        self._faces: Iterator[NDArray[np.uint8]] = iter(images)

    def __len__(self) -> int:
        return len(self._images)

    def set_range(self, start_index: int, end_index: int) -> None:
        """Go on with these faces."""
        self._faces = iter(self._images[start_index:end_index])

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """The next face as a batch of one, or None at the end."""
        face = next(self._faces, None)
        return None if face is None else {self._name: face[None]}


def write_qdq(
    model: ModelProto,
    calibration: CalibrationSet,
    out: Path,
    *,
    float_islands: Sequence[str],
    form: Form = X86,
) -> dict[str, Any]:
    """Quantize what ``form`` says of ``model`` and is not in ``float_islands``; write the result to ``out``.

    Weights are S8 per output channel, without which depthwise convolutions lose their small channels.

    Returns:
        The recipe.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)  # its advice to preprocess the graph, which the exporter has done
    try:
        quantize_static(
            model,
            out,
            _Faces(model.graph.input[0].name, calibration.images),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QInt8 if form.symmetric else QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=list(form.operators),
            nodes_to_exclude=list(float_islands),
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={
                "CalibStridedMinMax": math.gcd(len(calibration), MERGED_FACES),
                "ActivationSymmetric": form.symmetric,
                "QuantizeBias": not form.symmetric,
                "OpTypesToExcludeOutputQuantization": [] if form.outputs else list(form.operators),
            },
        )
    finally:
        logging.disable(previous)
    return {
        "method": "Q/DQ by onnxruntime.quantization.quantize_static",
        "ranges": "min-max",
        "activations": f"{'int8, symmetric' if form.symmetric else 'uint8, asymmetric'}, per tensor",
        "weights": "int8, symmetric, per output channel",
        "operators": list(form.operators),
        "float_islands": list(float_islands),
        "tools": {library: version(library) for library in ("onnxruntime", "onnx")},
    }
