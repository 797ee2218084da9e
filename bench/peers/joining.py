"""Puts edgefer's preprocessing before a network that an entrant has quantized without it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgefer_runtime.engines.libraries import import_openvino
from peers.tools.contract import OPENVINO_MODEL

if TYPE_CHECKING:
    from onnx import ModelProto


def join(preprocessing: Path, network: Path, out: Path) -> Path:
    """The whole graph, uint8 faces in: ``network`` itself where it takes them, else a file in ``out``.

    Args:
        preprocessing: ONNX, uint8 1 x H x W x 3 -> float32 1 x C x H x W.
        network: ONNX, or OpenVINO's IR.
        out: a folder.
    """
    return (_join_openvino if network.suffix == ".xml" else _join_onnx)(preprocessing, network, out)


def _join_onnx(preprocessing: Path, network: Path, out: Path) -> Path:
    import onnx

    joined = onnx.load(network)
    (taken,) = joined.graph.input
    if taken.type.tensor_type.elem_type == onnx.TensorProto.UINT8:
        return network
    # Quantizers name what they add as they like: nothing of the preprocessing may bear such a name.
    head = onnx.compose.add_prefix(onnx.load(preprocessing), "camera/")
    head = onnx.version_converter.convert_version(head, _opset(joined))
    (given,), (prepared,) = head.graph.input, head.graph.output
    for node in joined.graph.node:
        node.input[:] = [prepared.name if value == taken.name else value for value in node.input]
    for node in head.graph.node:
        node.input[:] = [taken.name if value == given.name else value for value in node.input]
    given.name = taken.name
    nodes = [*head.graph.node, *joined.graph.node]
    del joined.graph.node[:], joined.graph.input[:]
    joined.graph.node.extend(nodes)
    joined.graph.input.append(given)
    joined.graph.initializer.extend(head.graph.initializer)
    path = out / "joined.onnx"
    onnx.save(joined, path)
    return path


def _join_openvino(preprocessing: Path, network: Path, out: Path) -> Path:
    openvino = import_openvino()
    core = openvino.Core()
    head, tail = core.read_model(preprocessing), core.read_model(network)
    tail.inputs[0].replace(head.outputs[0].get_node().input_value(0))
    path = out / f"joined-{OPENVINO_MODEL}"
    joined = openvino.Model(tail.get_results(), head.get_parameters())
    openvino.save_model(joined, path, compress_to_fp16=False)
    return path


def _opset(model: ModelProto) -> int:
    return next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
