"""Runs the twin layers of a channel gate once: FCSDNet sends a map's means and maxima through the same two.

W2 relu(W1 a + b1) + W2 relu(W1 b + b1) + 2 b2 for vectors a and b: with these as the two rows of one map the
first layer stays as it is, and the second becomes a convolution of two rows, W2 for both. Biases that two
convolutions share OpenVINO adds in steps of their own, so that eight steps become two and a concatenation
without a copy. At batch 1 each step is a wait for threads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgefer_export.passes.merge_pointwise import is_pointwise
from edgefer_export.passes.reading import attributes, constants, readers

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto


class Branch(NamedTuple):
    """What makes one of the two vectors, and what it goes through, in order."""

    reduction: NodeProto
    first: NodeProto
    activation: NodeProto
    second: NodeProto


def merge_twins(model: ModelProto) -> int:
    """Merge every such pair of branches of ``model``, in place; returns how many pairs.

    Needs two branches that are added: a mean or maximum over whole maps, a 1x1 convolution, a ReLU, a 1x1
    convolution, each read by the next alone, the convolutions with the same weights and biases in both.
    """
    from onnx import helper, numpy_helper

    graph, merged = model.graph, 0
    for total in [node for node in graph.node if node.op_type == "Add"]:
        weights, read = constants(model), readers(model)
        makers = {value: node for node in graph.node for value in node.output}
        found = [_branch(makers.get(value), makers, weights, read) for value in total.input]
        branches = [branch for branch in found if branch is not None]
        if len(branches) < 2 or not _are_twins(*branches):
            continue
        one = branches[0]
        kernel, bias = (numpy_helper.to_array(weights[name]) for name in one.second.input[1:])
        module = one.second.name.rpartition("/")[0]
        names = [f"{module}.twin_{part}" for part in ("weight", "bias")]
        graph.initializer.extend(
            map(numpy_helper.from_array, (np.concatenate([kernel, kernel], axis=2), 2 * bias), names)
        )
        rows = helper.make_node(
            "Concat",
            [branch.reduction.output[0] for branch in branches],
            [f"{one.first.name}/rows"],
            f"{one.first.name}/rows",
            axis=2,
        )
        one.first.input[0] = rows.output[0]
        inputs = [one.activation.output[0], *names]
        second = helper.make_node("Conv", inputs, [*total.output], one.second.name, kernel_shape=[2, 1])
        layers = [node for branch in branches for node in branch[1:]]
        gone = {node.name for node in layers}
        place = [*graph.node].index(total)
        before, after = graph.node[:place], graph.node[place + 1 :]
        del graph.node[:]
        graph.node.extend(node for node in before if node.name not in gone)
        graph.node.extend([rows, one.first, one.activation, second, *after])
        stale = {node.output[0] for node in layers}
        for name in one.second.input[1:]:
            if not readers(model)[name]:
                graph.initializer.remove(weights[name])
                stale.add(name)
        for value in [value for value in graph.value_info if value.name in stale]:
            graph.value_info.remove(value)
        merged += 1
    return merged


def _branch(
    second: NodeProto | None,
    makers: Mapping[str, NodeProto],
    weights: Mapping[str, TensorProto],
    read: Counter[str],
) -> Branch | None:
    """The branch that ends in ``second``."""
    chain: list[NodeProto] = []
    while second is not None and len(chain) < len(Branch._fields):
        chain.append(second)
        second = makers.get(next(iter(second.input), ""))
    if len(chain) < len(Branch._fields):
        return None
    branch = Branch(*reversed(chain))
    fits = (
        all(is_pointwise(node, weights) for node in (branch.first, branch.second))
        and branch.activation.op_type == "Relu"
        and _makes_a_vector(branch.reduction, weights)
        and all(read[node.output[0]] == 1 for node in chain)
    )
    return branch if fits else None


def _are_twins(one: Branch, other: Branch) -> bool:
    return all(
        mine.input[1:] == theirs.input[1:]
        for mine, theirs in zip(one, other, strict=True)
        if mine.op_type == "Conv"
    )


def _makes_a_vector(node: NodeProto, weights: Mapping[str, TensorProto]) -> bool:
    """Whether ``node`` makes N x C x 1 x 1 of N x C x H x W."""
    from onnx import numpy_helper

    if node.op_type not in ("ReduceMean", "ReduceMax") or len(node.input) < 2 or node.input[1] not in weights:
        return False
    axes = [*numpy_helper.to_array(weights[node.input[1]])]
    return attributes(node).get("keepdims", 1) == 1 and sorted(axes) in ([2, 3], [-2, -1])
