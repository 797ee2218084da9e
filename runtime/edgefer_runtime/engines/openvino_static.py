"""OpenVINO graphs of fixed sizes: for crops that all have one, and for devices that take no other."""

from __future__ import annotations

from typing import Any

from edgefer_runtime.contract import InputContract
from edgefer_runtime.engines.base import INPUT
from edgefer_runtime.engines.libraries import import_openvino

RESIZED = "preprocess/resized"
"""What the export calls the resized crop where it has written the resize out: float32, N x H x WC, 0..255."""


def of_size(model: Any, height: int, width: int) -> None:
    """Make ``model``, in place, one for crops of ``height`` x ``width`` alone.

    What follows from the size is then computed once, when the model is compiled; at the network's own size
    the resize, which OpenVINO would go through all the same, is taken out.

    Args:
        model: an ``openvino.Model`` that takes crops of any size.
        height, width: in pixels.
    """
    op = import_openvino().opset13
    images = model.inputs[0]
    batch, _, _, channels = images.get_partial_shape()
    model.reshape([batch, height, width, channels])
    for node in model.get_ordered_ops():
        if node.get_friendly_name() == RESIZED:
            given = op.convert(op.reshape(images, [0, 0, -1], True), "f32").output(0)
        elif node.get_type_name() == "Interpolate":
            given = node.input_value(0)
        else:
            continue
        if given.get_partial_shape() == node.output(0).get_partial_shape():
            node.output(0).replace(given)
    model.validate_nodes_and_infer_types()


def behind_preprocessing(model: Any, contract: InputContract, batch: int) -> Any:
    """The part of ``model`` that takes prepared faces, float32 ``batch`` x C x H x W.

    Crops come in any size, so the whole graph has sizes that are not known before it runs.

    Args:
        model: an ``openvino.Model`` that takes crops; used up.
        contract: what the network takes.
        batch: faces in a call.
    """
    openvino = import_openvino()
    op = openvino.opset13
    shape = [batch, contract.channels, contract.height, contract.width]
    prepared = next(
        node.output(0)
        for node in model.get_ordered_ops()
        if node.get_type_name() != "Constant" and _sizes(node.output(0)) == shape[1:]
    )
    faces = op.parameter(openvino.PartialShape(shape), openvino.Type.f32, name=INPUT)
    faces.output(0).set_names({INPUT})
    for user in prepared.get_target_inputs():
        user.replace_source_output(faces.output(0))
    return openvino.Model(model.get_results(), [faces], "network")


def _sizes(value: Any) -> list[int]:
    """Sizes after the first, if all of them are fixed; else none."""
    shape = value.get_partial_shape()
    lengths = [*shape][1:] if shape.rank.is_static else []
    return [length.get_length() for length in lengths] if all(each.is_static for each in lengths) else []
