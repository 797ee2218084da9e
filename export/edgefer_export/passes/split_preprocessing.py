"""Parts a graph behind its preprocessing, for targets whose faces the runtime prepares."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from edgefer_export.passes.reading import axes
from edgefer_runtime.contract import INPUT, OUTPUT

if TYPE_CHECKING:
    from onnx import ModelProto


def split_preprocessing(model: ModelProto) -> tuple[ModelProto, ModelProto]:
    """The preprocessing, and the rest, whose ``images`` are then float32 N x C x H x W.

    Args:
        model: a float32, float16 or quantized graph made from one that
            :func:`edgefer_export.export_onnx` has written; left as it is.
    """
    import onnx

    inferred = onnx.shape_inference.infer_shapes(model)
    # A cast or a Q/DQ pair that was put behind the preprocessing bears its name with more added to it.
    last = [
        node
        for node in inferred.graph.node
        if re.fullmatch(rf"preprocess/{node.op_type}(_\d+)?", node.name) is not None
    ][-1]
    prepared = last.output[0]
    extractor = onnx.utils.Extractor(inferred)
    head: ModelProto = extractor.extract_model([INPUT], [prepared])
    tail: ModelProto = extractor.extract_model([prepared], [OUTPUT])
    for node in tail.graph.node:
        node.input[:] = [INPUT if value == prepared else value for value in node.input]
    images = tail.graph.input[0]
    images.name = INPUT
    batch, axis = axes(model.graph.input[0])[0], images.type.tensor_type.shape.dim[0]
    if isinstance(batch, str):
        axis.dim_param = batch
    else:
        axis.dim_value = batch
    return head, tail
