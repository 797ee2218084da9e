"""Puts two inputs through a layer at once where its two outputs are added: the channel gates of FCSDNet.

W a + b and W c + b make W (a + c) + 2 b: one layer less for the threads to wait for. And with the layer last
before the sigmoid, OpenVINO computes the sigmoid with it, once a channel; before, it did so with the product
that follows, once a pixel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgefer_export.passes.reading import constants, readers

if TYPE_CHECKING:
    from onnx import ModelProto


def sum_first(model: ModelProto) -> int:
    """Sum before the layer, in place, wherever ``model`` sums behind it; returns in how many places.

    Needs two convolutions of the same weights and settings, each read by the sum alone.
    """
    from onnx import numpy_helper

    graph, found = model.graph, 0
    for total in [node for node in graph.node if node.op_type == "Add"]:
        weights, read = constants(model), readers(model)
        makers = {value: node for node in graph.node for value in node.output}
        pair = [makers[value] for value in total.input if value in makers]
        if len(pair) < 2 or any(node.op_type != "Conv" or read[node.output[0]] != 1 for node in pair):
            continue
        layer, other = pair
        same = layer.input[1:] == other.input[1:] and [*layer.attribute] == [*other.attribute]
        if not same or not all(name in weights for name in layer.input[1:]):
            continue
        for name in layer.input[2:]:
            bias = numpy_helper.to_array(weights[name])
            layer.input[2] = f"{layer.name}.bias"
            graph.initializer.append(numpy_helper.from_array(bias + bias, layer.input[2]))
            if read[name] == len(pair):
                graph.initializer.remove(weights[name])
        summed, stale = layer.output[0], {*layer.output, *other.output, *other.input[2:]}
        total.input[:] = [node.input[0] for node in pair]
        layer.input[0], layer.output[0], total.output[0] = summed, total.output[0], summed
        place = [*graph.node].index(total)
        graph.node.insert(place + 1, layer)
        for node in pair:
            graph.node.remove(node)
        for value in [value for value in graph.value_info if value.name in stale]:
            graph.value_info.remove(value)
        found += 1
    return found
