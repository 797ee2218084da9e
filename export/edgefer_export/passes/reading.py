"""What passes look up in an ONNX graph before they change it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto


def constants(model: ModelProto) -> dict[str, TensorProto]:
    """Name -> constant."""
    return {tensor.name: tensor for tensor in model.graph.initializer}


def readers(model: ModelProto) -> Counter[str]:
    """Value -> how often it is read, by nodes and as an output of the graph."""
    found = Counter(value for node in model.graph.node for value in node.input)
    found.update(value.name for value in model.graph.output)
    return found


def attributes(node: NodeProto) -> dict[str, Any]:
    """Name -> value of the node's attributes."""
    from onnx import helper

    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
