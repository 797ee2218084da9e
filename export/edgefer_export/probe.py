"""Values inside a graph: what a block of it is given and returns, on the CPU in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.engines.libraries import import_onnxruntime

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto


def module_of(node: NodeProto) -> str:
    """The module that a node comes from, as the exporter named it."""
    name: str = node.name.split("/")[0]
    return name


def constants(model: ModelProto) -> set[str]:
    """Names of the values that no input changes; the empty name of an argument left out is one."""
    return {"", *(tensor.name for tensor in model.graph.initializer)}


def probe(
    model: ModelProto, values: Sequence[str], faces: NDArray[np.uint8]
) -> Iterator[dict[str, NDArray[Any]]]:
    """The named ``values`` of the graph, a face at a time, so that memory does not grow with the faces.

    Args:
        model: with a static batch of one or a dynamic one.
        values: names of values that nodes make.
        faces: uint8 N x H x W x 3.
    """
    import onnx

    tapped = onnx.ModelProto()
    tapped.CopyFrom(model)
    del tapped.graph.output[:]
    tapped.graph.output.extend(onnx.ValueInfoProto(name=value) for value in values)
    run = _open(tapped)
    for face in faces:
        yield run({model.graph.input[0].name: face[None]})


def run_part(
    model: ModelProto, inputs: Mapping[str, NDArray[np.float32]], output: str
) -> NDArray[np.float32]:
    """``output`` of the part of the graph between ``inputs`` and it, in ONNX Runtime."""
    values: NDArray[np.float32] = _open(part(model, [*inputs], output))(inputs)[output]
    return values


def part(model: ModelProto, inputs: Sequence[str], output: str) -> ModelProto:
    """The part of the graph between the values ``inputs``, float32 of rank four, and the value ``output``."""
    import onnx

    made_by = {value: node for node in model.graph.node for value in node.output}
    needed, wanted = set[str](), [output]
    while wanted:
        node = made_by.get(value := wanted.pop())
        if node is not None and value not in inputs and node.name not in needed:
            needed.add(node.name)
            wanted += node.input
    nodes = [node for node in model.graph.node if node.name in needed]
    used = {value for node in nodes for value in node.input}
    maps = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None] * 4) for name in inputs]
    weights = [tensor for tensor in model.graph.initializer if tensor.name in used]
    graph = onnx.helper.make_graph(nodes, "part", maps, [onnx.ValueInfoProto(name=output)], weights)
    return onnx.helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)


def _open(model: ModelProto) -> Any:
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [value.name for value in session.get_outputs()]

    def run(inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))

    return run
