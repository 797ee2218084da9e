"""What passes look up in an ONNX graph before they change it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto


def constants(model: ModelProto) -> dict[str, TensorProto]:
    """Name -> constant."""
    return {tensor.name: tensor for tensor in model.graph.initializer}


def readers(model: ModelProto) -> Counter[str]:
    """Value -> how often it is read, by nodes and as an output of the graph."""
    found = Counter(value for node in model.graph.node for value in node.input)
    found.update(value.name for value in model.graph.output)
    return found


def axes(value: ValueInfoProto) -> list[int | str]:
    """Axes of an input or output: a number where static, a name where dynamic."""
    return [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]


def attributes(node: NodeProto) -> dict[str, Any]:
    """Name -> value of the node's attributes."""
    from onnx import helper

    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
