"""Writes small transposed convolutions of stride two as plain ones and a rearrangement of their channels.

Each output pixel of a 3 x 3 kernel at stride two sees at most 2 x 2 inputs, and which weights meet them
depends on whether its row and column are odd. So one plain 2 x 2 convolution gives the four kinds of pixels
as four times as many channels. For LANMSFF's few channels OpenVINO's transposed convolution waits for threads
more than it computes: that shows in wall time on two threads, where the INT8 engine is 1.03 times as fast
without it [1.01, 1.04], and not in CPU time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgefer_export.passes.reading import attributes, constants

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto, NodeProto, TensorProto

SETTINGS = {
    "kernel_shape": [3, 3],
    "strides": [2, 2],
    "pads": [1, 1, 1, 1],
    "output_padding": [1, 1],
    "dilations": [1, 1],
    "group": 1,
}
"""Those of the transposed convolution that doubles a map; the exporter writes all of them."""

LARGEST = 64
"""Weights between inputs and outputs, at most: with more channels the rearrangement costs what it saves."""

TAPS = (((0, 1),), ((0, 2), (1, 0)))
"""Of an even, then of an odd output pixel: (offset of the input pixel, index into the kernel)."""


def transposed_as_plain(model: ModelProto) -> int:
    """Replace each transposed convolution with :data:`SETTINGS` and constant weights; returns how many."""
    from onnx import helper, numpy_helper

    graph, replaced = model.graph, 0
    for node in [node for node in graph.node if node.op_type == "ConvTranspose"]:
        weights = constants(model)
        if not _fits(node, weights):
            continue
        kernel, *bias = (numpy_helper.to_array(weights[name]) for name in node.input[1:])
        module = node.name.rpartition("/")[0]
        values = [_plain(kernel), *(np.tile(each, 4) for each in bias)]
        names = [f"{node.name}/{part}" for part in ("weight", "bias")[: len(values)]]
        graph.initializer.extend(map(numpy_helper.from_array, values, names))
        maps = f"{node.name}/Conv"
        plain = helper.make_node(
            "Conv", [node.input[0], *names], [maps], f"{module}/Conv", kernel_shape=[2, 2], pads=[0, 0, 1, 1]
        )
        rearranged = helper.make_node(
            "DepthToSpace", [maps], node.output[:], f"{module}/DepthToSpace", blocksize=2, mode="DCR"
        )
        index = list(graph.node).index(node)
        graph.node.remove(node)
        for offset, new in enumerate((plain, rearranged)):
            graph.node.insert(index + offset, new)
        replaced += 1
    return replaced


def _fits(node: NodeProto, weights: dict[str, TensorProto]) -> bool:
    found = attributes(node)
    if any(found.get(name) != value for name, value in SETTINGS.items()):
        return False
    if not weights.keys() >= {*node.input[1:]}:
        return False
    inputs, outputs, *_ = weights[node.input[1]].dims
    return bool(inputs * outputs <= LARGEST)


def _plain(kernel: NDArray[Any]) -> NDArray[Any]:
    """Transposed weights C x D x 3 x 3 as plain ones 4D x C x 2 x 2; rows, then columns, then D."""
    inputs, outputs = kernel.shape[:2]
    plain = np.zeros((2, 2, outputs, inputs, 2, 2), kernel.dtype)
    for odd_row, rows in enumerate(TAPS):
        for odd_column, columns in enumerate(TAPS):
            for below, row in rows:
                for right, column in columns:
                    plain[odd_row, odd_column, :, :, below, right] = kernel[:, :, row, column].T
    return plain.reshape(4 * outputs, inputs, 2, 2)
