"""The parts of a network that can be left in float one by one, under names that its author gave them."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

READABLE = 48
"""Modules told apart at most; a table of more is read by nobody."""


@dataclass(frozen=True)
class Module:
    """A part of a network that computes in INT8.

    Attributes:
        name: its path inside the network; what lies below it belongs to it.
        also: modules elsewhere that finish its work, such as the activation behind its convolution.
        layers: convolutions and linear layers in it.
        weights: of its convolutions, how many.
        work: estimate of its share of the quantized layers' time, 0..1: the mean of its share of their
            multiply-adds and of its share of the numbers that they read and write.
    """

    name: str
    also: tuple[str, ...]
    layers: int
    weights: int
    work: float

    @property
    def float_modules(self) -> tuple[str, ...]:
        """What to leave in float so that all of it is."""
        return (self.name, *self.also)


def quantized_modules(
    model: ModelProto, recipe: Mapping[str, Any], *, at_most: int = READABLE
) -> list[Module]:
    """The modules that a recipe quantizes, in the network's order.

    The tree of modules is opened from the root, always at the module with the most layers, as long as there
    are no more than ``at_most``; a module with a single layer is not opened further. Activations are counted
    to the layer before them, because a range cut off there harms that layer's output.

    Args:
        model: the float graph, its nodes named ``MODULE/Operator``.
        recipe: of :class:`edgefer_calibration.Quantized`: its ``operators`` and ``float_islands``.
        at_most: how many to tell apart.
    """
    from onnx.shape_inference import infer_shapes

    nodes = [
        node
        for node in model.graph.node
        if node.op_type in recipe["operators"] and node.name not in recipe["float_islands"]
    ]
    weights = weight_shapes(model)
    layers = [node for node in nodes if len(node.input) > 1 and node.input[1] in weights]
    groups = _opened([module_of(node) for node in layers], at_most)
    group_of = {node.name: _above(module_of(node), groups) for node in layers}
    also: dict[str, dict[str, None]] = {group: {} for group in groups}
    for node in _followers(model, {node.name for node in nodes} - set(group_of), group_of):
        if not covers(group_of[node.name], node.name):
            also[group_of[node.name]][module_of(node)] = None
    shapes = _shapes(infer_shapes(model))
    work = {node.name: _work(node, weights[node.input[1]], shapes) for node in layers}
    totals = [max(sum(column), 1) for column in zip(*work.values(), strict=True)]

    made = []
    for group in groups:
        own = [node for node in layers if group_of[node.name] == group]
        parts = (part / total for node in own for part, total in zip(work[node.name], totals, strict=True))
        made.append(
            Module(group, tuple(also[group]), len(own), convolution_weights(own, weights), sum(parts) / 2)
        )
    return made


def convolution_weights(nodes: Iterable[NodeProto], shapes: Mapping[str, Sequence[int]]) -> int:
    """How many weights the convolutions among ``nodes`` have, by the shapes of their tensors."""
    return sum(math.prod(shapes[node.input[1]]) for node in nodes if "Conv" in node.op_type)


def float_weights(model: ModelProto, modules: Sequence[Module]) -> tuple[int, int]:
    """Weights of the convolutions that are in none of ``modules``, and of all convolutions."""
    total = convolution_weights(model.graph.node, weight_shapes(model))
    return total - sum(module.weights for module in modules), total


def weight_shapes(model: ModelProto) -> dict[str, tuple[int, ...]]:
    """Tensor -> its shape, of those with several axes."""
    return {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer if len(tensor.dims) > 1}


def module_of(node: NodeProto) -> str:
    """The module that a node comes from."""
    name: str = node.name
    return name.split("/")[0]


def covers(module: str, node: str) -> bool:
    """Whether the node of that name lies in ``module`` or below it."""
    return node.startswith((f"{module}/", f"{module}."))


def _opened(paths: Sequence[str], at_most: int) -> list[str]:
    """Modules that together hold all of ``paths``, in their order."""
    groups = {"": [*paths]}
    while True:
        for group, held in sorted(groups.items(), key=lambda item: -len(item[1])):
            depth = group.count(".") + 2 if group else 1
            parts = dict.fromkeys(".".join(path.split(".")[:depth]) for path in held)
            if (
                (len(held) > 1 or not group)
                and group not in parts
                and len(groups) - 1 + len(parts) <= at_most
            ):
                del groups[group]
                groups |= {part: [path for path in held if _within(path, part)] for part in parts}
                break
        else:
            break
    return sorted(filter(None, groups), key=lambda group: paths.index(groups[group][0]))


def _above(path: str, groups: Iterable[str]) -> str:
    return next(group for group in groups if _within(path, group))


def _within(path: str, group: str) -> bool:
    return path == group or path.startswith(f"{group}.")


def _followers(model: ModelProto, names: Collection[str], group_of: dict[str, str]) -> list[NodeProto]:
    """Nodes called ``names`` that come after a layer; they are added to ``group_of``, in its group."""
    source: dict[str, str] = {}
    found = []
    for node in model.graph.node:
        before = next((source[value] for value in node.input if value in source), None)
        group = group_of.get(node.name, before)
        if group is None:
            continue
        source |= dict.fromkeys(node.output, group)
        if node.name in names:
            group_of[node.name] = group
            found.append(node)
    return found


def _work(node: NodeProto, weight: Sequence[int], shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, int]:
    """Multiply-adds of a layer, and numbers that it reads and writes."""
    read, written = math.prod(shapes.get(node.input[0], ())), math.prod(shapes.get(node.output[0], ()))
    if node.op_type == "ConvTranspose":
        return read * math.prod(weight[1:]), read + written
    if node.op_type == "Conv":
        return written * math.prod(weight[1:]), read + written
    return read * math.prod(weight) // max(shapes.get(node.input[0], (1,))[-1], 1), read + written


def _shapes(model: ModelProto) -> dict[str, tuple[int, ...]]:
    """Value -> its shape; an axis of any length, the batch's, counts as one."""
    graph = model.graph
    return {
        value.name: tuple(axis.dim_value or 1 for axis in value.type.tensor_type.shape.dim)
        for value in (*graph.value_info, *graph.input, *graph.output)
    }
