"""Writes OpenVINO's bilinear resize as gathers and interpolation, on rows of interleaved channels.

OpenVINO's Interpolate takes 355 us for one 128 x 128 crop to 224 x 224 (two cores, AVX-512), half as long
as PAtt-Lite itself in INT8; the same function written out takes 105 us. It is six gathers of bytes and one
kernel, in which OpenVINO fuses the interpolation, the normalisation and, in an INT8 engine, the
quantization; and the result lies in memory as the first convolution wants it, so that the transpose and
the reordering before it vanish too. (GridSample with a constant grid is the same function again: 175 us.
Two matrix products with the interpolation weights: 170 us.)

A target pixel i lies at (i + 0.5) * source / target - 0.5 of the source, clamped to its edges, and is the
mean of the pixels on both sides of it, weighted by nearness. Columns are gathered first: whole rows are
cheap to copy, and there are fewer of them before the resize than after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from edgefer_runtime.engines.libraries import import_openvino
from edgefer_runtime.engines.openvino_static import RESIZED

if TYPE_CHECKING:
    import openvino
    from numpy.typing import NDArray

ROWS, COLUMNS = 1, 2
"""Axes of N x H x W x C, and of N x H x WC."""

ARITHMETIC = {"Subtract": "subtract", "Divide": "divide", "Multiply": "multiply", "Add": "add"}
"""Elementwise operations that commute with interpolation when their second operand is constant in space."""


class Taps(NamedTuple):
    """Along one axis: the pixels on both sides of every target pixel, and the weight of the second."""

    low: Any
    high: Any
    weight: Any


class Resize(NamedTuple):
    """What is to be replaced, from the images N x H x W x C to the Interpolate node, in reading order."""

    images: openvino.Output
    arithmetic: list[openvino.Node]
    interpolate: openvino.Node


def resize_as_gather(model: openvino.Model) -> int:
    """Replace, in place, what turns N x H x W x C images into resized N x C x H' x W' floats.

    Looked for is the exporter's form: Transpose, Convert, arithmetic with constants, bilinear half-pixel
    Interpolate to a constant size.

    Returns:
        How many were replaced.
    """
    found = [resize for node in model.get_ordered_ops() if (resize := _match(node)) is not None]
    for resize in found:
        resize.interpolate.output(0).replace(_gathered(resize).output(0))
    model.validate_nodes_and_infer_types()
    return len(found)


def _match(node: openvino.Node) -> Resize | None:
    if node.get_type_name() != "Interpolate" or not _is_constant(node, 1):
        return None
    wanted = {
        "mode": "linear_onnx",
        "coordinate_transformation_mode": "half_pixel",
        "shape_calculation_mode": "sizes",
        "antialias": False,
    }
    attributes = node.get_attributes()
    if any(attributes[name] != value for name, value in wanted.items()):
        return None
    arithmetic: list[openvino.Node] = []
    before = node.input_value(0).get_node()
    while before.get_type_name() in ARITHMETIC and _is_constant(before, 1):
        arithmetic.insert(0, before)
        before = before.input_value(0).get_node()
    if before.get_type_name() == "Convert":
        before = before.input_value(0).get_node()
    if before.get_type_name() != "Transpose" or list(_constant(before, 1)) != [0, 3, 1, 2]:
        return None
    return Resize(before.input_value(0), arithmetic, node)


def _is_constant(node: openvino.Node, index: int) -> bool:
    return bool(node.input_value(index).get_node().get_type_name() == "Constant")


def _constant(node: openvino.Node, index: int) -> NDArray[Any]:
    return np.asarray(node.input_value(index).get_node().data)


def _gathered(resize: Resize) -> openvino.Node:
    op = import_openvino().opset13

    channels = resize.images.get_partial_shape()[3].get_length()
    height, width = (int(size) for size in _constant(resize.interpolate, 1)[-2:])
    columns = _interleaved(_taps(resize.images, COLUMNS, width), channels)
    rows = _taps(resize.images, ROWS, height)

    def interpolate(low: Any, high: Any, weight: Any) -> Any:
        return op.add(low, op.multiply(op.subtract(high, low), weight))

    lines = op.reshape(resize.images, _whole(0, 0, -1), True)
    corners = [
        [op.convert(_gather(pixels, row, ROWS), "f32") for row in (rows.low, rows.high)]
        for pixels in (_gather(lines, column, COLUMNS) for column in (columns.low, columns.high))
    ]
    top, bottom = (interpolate(left, right, columns.weight) for left, right in zip(*corners, strict=True))
    pixels = interpolate(top, bottom, op.unsqueeze(rows.weight, _whole(1)))
    pixels.set_friendly_name(RESIZED)
    for node in resize.arithmetic:
        operand = np.broadcast_to(_constant(node, 1).reshape(-1).astype(np.float32), channels)
        pixels = getattr(op, ARITHMETIC[node.get_type_name()])(pixels, op.constant(np.tile(operand, width)))
    shaped = op.reshape(pixels, _whole(0, height, width, channels), True)
    return op.transpose(shaped, _whole(0, 3, 1, 2))


def _taps(images: openvino.Output, axis: int, target: int) -> Taps:
    """Taps of ``target`` pixels along ``axis``, computed in the graph: the crop's size is not known.

    In whole numbers, halves of a target pixel counted from the edge: an engine in bfloat16 computes all
    floats in it, which knows no 100.3 but 100.5, and no whole numbers between 256 and 258.
    """
    op = import_openvino().opset13

    def whole(values: Any) -> Any:
        return op.constant(np.asarray(values, dtype=np.int32))

    size = _gather(op.shape_of(images, "i32"), whole(axis), 0)
    centres = op.multiply(whole(2 * np.arange(target) + 1), size)
    position = op.maximum(op.subtract(centres, whole(target)), whole(0))
    low = op.divide(position, whole(2 * target))
    beyond = op.subtract(position, op.multiply(low, whole(2 * target)))
    high = op.minimum(op.add(low, whole(1)), op.subtract(size, whole(1)))
    weight = op.multiply(op.convert(beyond, "f32"), op.constant(np.float32(1 / (2 * target))))
    return Taps(low, high, weight)


def _interleaved(taps: Taps, channels: int) -> Taps:
    """``taps`` of columns as taps of a row's interleaved channels."""
    op = import_openvino().opset13

    def spread(indices: Any) -> Any:
        firsts = op.multiply(op.unsqueeze(indices, _whole(1)), op.constant(np.int32(channels)))
        return op.reshape(op.add(firsts, op.constant(np.arange(channels, dtype=np.int32))), _whole(-1), False)

    ones = op.constant(np.ones(channels, dtype=np.float32))
    weight = op.reshape(op.multiply(op.unsqueeze(taps.weight, _whole(1)), ones), _whole(-1), False)
    return Taps(spread(taps.low), spread(taps.high), weight)


def _gather(values: Any, indices: Any, axis: int) -> Any:
    op = import_openvino().opset13

    return op.gather(values, indices, op.constant(np.int32(axis)))


def _whole(*values: int) -> Any:
    op = import_openvino().opset13

    return op.constant(np.array(values, dtype=np.int64))
