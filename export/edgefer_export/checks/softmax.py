"""Attention: every softmax sums to one along its axis on real faces, in the graph itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgefer_export.checks.check import Check

if TYPE_CHECKING:
    from onnx import ModelProto

LIMIT = 1e-5


def softmax_rows(model: ModelProto, faces: NDArray[np.uint8]) -> list[Check]:
    """One row a Softmax node: how far its sums are from one, at most, over ``faces``."""
    import onnx
    import onnxruntime

    nodes = [node for node in model.graph.node if node.op_type == "Softmax"]
    if not nodes:
        return []
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    probe.graph.output.extend(onnx.ValueInfoProto(name=node.output[0]) for node in nodes)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        probe.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    (images,) = session.get_inputs()
    step = images.shape[0] if isinstance(images.shape[0], int) else 1
    worst = np.zeros(len(nodes))
    for start in range(0, len(faces) - step + 1, step):
        values = session.run(None, {images.name: faces[start : start + step]})
        for index, (node, value) in enumerate(zip(nodes, values, strict=True)):
            axis = next((entry.i for entry in node.attribute if entry.name == "axis"), -1)
            worst[index] = np.maximum(worst[index], np.abs(value.sum(axis) - 1).max())
    return [
        Check.at_most(f"softmax/{node.name}", far, LIMIT, "distance from one", f"{len(faces)} faces")
        for node, far in zip(nodes, worst, strict=True)
    ]
