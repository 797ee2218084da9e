"""ONNX Runtime's recipe: U8 activations, S8 weights per channel, Q/DQ, min-max, convolutions only.

Measured on PAtt-Lite (AVX-512 VNNI, two threads): signed activations, the TensorRT style, run half as fast.
Left in float on purpose, besides everything that is no convolution (softmax, attention, the last layer):

- the preprocessing;
- the convolutions on the camera's three channels and on what those give, if it is depthwise: INT8 kernels
  gain nothing where there is so little to multiply, and what they save is spent on changing layouts.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgefer_calibration.sets import CalibrationSet

if TYPE_CHECKING:
    from onnx import ModelProto

QUANTIZED_OPERATORS = ("Conv", "Relu", "Clip")


class _Faces:
    """ONNX Runtime's calibration reader: one face at a time, so that memory does not grow with the set."""

    def __init__(self, name: str, images: NDArray[np.uint8]) -> None:
        self._faces: Iterator[NDArray[np.uint8]] = iter(images)
        self._name = name

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """The next face as a batch of one, or None at the end."""
        face = next(self._faces, None)
        return None if face is None else {self._name: face[None]}


def quantize(float_onnx: Path, calibration: CalibrationSet, out: Path) -> Mapping[str, Any]:
    """Quantize ``float_onnx`` into ``out`` and return the recipe."""
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    model = onnx.load(float_onnx)
    islands = float_islands(model)
    logging.disable(logging.WARNING)  # advice to preprocess the graph, which the exporter has done
    try:
        quantize_static(
            model,
            out,
            _Faces(model.graph.input[0].name, calibration.images),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=list(QUANTIZED_OPERATORS),
            nodes_to_exclude=islands,
            calibrate_method=CalibrationMethod.MinMax,
        )
    finally:
        logging.disable(logging.NOTSET)
    return {
        "method": "onnxruntime quantize_static, min-max",
        "activations": "uint8, asymmetric, per tensor",
        "weights": "int8, symmetric, per channel",
        "operators": list(QUANTIZED_OPERATORS),
        "float_islands": islands,
        "tools": {library: version(library) for library in ("onnxruntime", "onnx")},
    }


def float_islands(model: ModelProto) -> list[str]:
    """Names of the convolutions left in float, of their activations, and of the preprocessing."""
    graph = model.graph
    islands = [node.name for node in graph.node if node.name.startswith("preprocess/")]
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    value = next(node.output[0] for node in reversed(graph.node) if node.name in islands)
    while (node := _only_user(graph, value)) is not None:
        if node.op_type == "Conv" and not _is_thin(shapes.get(node.input[1], ())):
            break
        if node.op_type not in QUANTIZED_OPERATORS:
            break
        islands.append(node.name)
        value = node.output[0]
    return islands


def _only_user(graph: Any, value: str) -> Any:
    users = [node for node in graph.node if value in node.input]
    return users[0] if len(users) == 1 else None


def _is_thin(weight_shape: tuple[int, ...]) -> bool:
    """Whether each output of the convolution sees at most three channels (the camera's, or its own)."""
    return len(weight_shape) == 4 and weight_shape[1] <= 3
