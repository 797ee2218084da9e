"""Writes OpenVINO's bilinear resize as gathers and interpolation.

OpenVINO's Interpolate takes 355 us for one 128 x 128 crop to 224 x 224 (two cores, AVX-512), half as long
as PAtt-Lite itself in INT8; the same function as six gathers of bytes, and arithmetic that OpenVINO fuses
into one kernel, takes 115 us.

A target pixel i lies at (i + 0.5) * source / target - 0.5 of the source, clamped to its edges, and is the
mean of the pixels on both sides of it, weighted by nearness. Columns are gathered first: whole rows are
cheap to copy, and there are fewer of them before the resize than after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import openvino

ROWS, COLUMNS = 2, 3
ELEMENTWISE = ("Subtract", "Divide", "Multiply", "Add")


class Taps(NamedTuple):
    """Along one axis: the pixels on both sides of every target pixel, and the weight of the second."""

    low: Any
    high: Any
    weight: Any


def resize_as_gather(model: openvino.Model) -> int:
    """Replace, in place, every bilinear half-pixel Interpolate of N x C x H x W to a constant size.

    A conversion to float before it, and arithmetic with constants, move behind it, so that bytes are
    gathered rather than floats: interpolation weights sum to one.

    Returns:
        How many were replaced.
    """
    found = [node for node in model.get_ordered_ops() if _is_bilinear(node)]
    for node in found:
        height, width = (int(size) for size in node.input_value(1).get_node().data[-2:])
        arithmetic, source = _arithmetic_before(node)
        resized = _gathered(source, height, width).output(0)
        if arithmetic:
            arithmetic[0].input(0).replace_source_output(resized)
            resized = arithmetic[-1].output(0)
        node.output(0).replace(resized)
    model.validate_nodes_and_infer_types()
    return len(found)


def _is_bilinear(node: openvino.Node) -> bool:
    if node.get_type_name() != "Interpolate" or node.get_output_partial_shape(0).rank.get_length() != 4:
        return False
    wanted = {
        "mode": "linear_onnx",
        "coordinate_transformation_mode": "half_pixel",
        "shape_calculation_mode": "sizes",
        "antialias": False,
    }
    attributes = node.get_attributes()
    return all(attributes[name] == value for name, value in wanted.items()) and _is_constant(node, 1)


def _is_constant(node: openvino.Node, index: int) -> bool:
    return bool(node.input_value(index).get_node().get_type_name() == "Constant")


def _arithmetic_before(node: openvino.Node) -> tuple[list[openvino.Node], openvino.Output]:
    """The elementwise operations with constants that lead to ``node``, in order, and what they start from.

    A conversion at their beginning is left out: the source is what it converts.
    """
    operations: list[openvino.Node] = []
    source = node.input_value(0)
    while source.get_node().get_type_name() in ELEMENTWISE and _is_constant(source.get_node(), 1):
        operations.insert(0, source.get_node())
        source = source.get_node().input_value(0)
    if source.get_node().get_type_name() == "Convert":
        source = source.get_node().input_value(0)
    return operations, source


def _gathered(source: openvino.Output, height: int, width: int) -> openvino.Node:
    """float32 N x C x ``height`` x ``width`` from ``source``, N x C x H x W of any type."""
    from openvino import opset13 as op

    def gather(pixels: Any, indices: Any, axis: int) -> Any:
        return op.gather(pixels, indices, op.constant(np.int32(axis)))

    def interpolate(low: Any, high: Any, weight: Any) -> Any:
        return op.add(low, op.multiply(op.subtract(high, low), weight))

    columns, rows = _taps(source, COLUMNS, width), _taps(source, ROWS, height)
    corners = [
        [op.convert(gather(pixels, row, ROWS), "f32") for row in (rows.low, rows.high)]
        for pixels in (gather(source, column, COLUMNS) for column in (columns.low, columns.high))
    ]
    top, bottom = (interpolate(left, right, columns.weight) for left, right in zip(*corners, strict=True))
    return interpolate(top, bottom, op.unsqueeze(rows.weight, op.constant(np.int32(1))))


def _taps(source: openvino.Output, axis: int, target: int) -> Taps:
    """Taps of ``target`` pixels along ``axis``, computed in the graph: the crop's size is not known."""
    from openvino import opset13 as op

    def scalar(value: float) -> Any:
        return op.constant(np.float32(value))

    size = op.convert(
        op.gather(op.shape_of(source), op.constant(np.int32(axis)), op.constant(np.int32(0))), "f32"
    )
    last = op.subtract(size, scalar(1))
    centres = op.constant(np.arange(target, dtype=np.float32) + np.float32(0.5))
    unclamped = op.subtract(op.multiply(centres, op.divide(size, scalar(target))), scalar(0.5))
    position = op.minimum(op.maximum(unclamped, scalar(0)), last)
    low = op.floor(position)
    high = op.minimum(op.add(low, scalar(1)), last)
    return Taps(op.convert(low, "i32"), op.convert(high, "i32"), op.subtract(position, low))
