"""Names nodes and values after the modules they come from, so that every later message can speak of modules.

The exporter numbers its nodes and keeps module names, stack traces and source paths as metadata. What is
kept here is the name; the rest would publish the paths of the machine that exported.
"""

from __future__ import annotations

import ast
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

SCOPES = "pkg.torch.onnx.name_scopes"


def name_nodes(model: ModelProto) -> int:
    """Give nodes, and the values they make, names of the form ``module/Operator``; drop the metadata.

    A convolution that has absorbed its normalisation bears the convolution's name, not the norm's.
    Values get their node's name too, because engines name what they fuse after values.
    """
    graph = model.graph
    kept = {value.name for value in graph.output} | {""}
    seen: Counter[str] = Counter()
    renamed: dict[str, str] = {}
    for node in graph.node:
        name = f"{_module(node)}/{node.op_type}"
        seen[name] += 1
        node.name = name if seen[name] == 1 else f"{name}_{seen[name]}"
        for index, value in enumerate(node.output):
            if value not in kept:
                renamed[value] = node.name if index == 0 else f"{node.name}:{index}"
    for node in graph.node:
        node.input[:] = [renamed.get(value, value) for value in node.input]
        node.output[:] = [renamed.get(value, value) for value in node.output]
    for value_info in graph.value_info:
        value_info.name = renamed.get(value_info.name, value_info.name)
    for holder in (
        model,
        graph,
        *graph.node,
        *graph.input,
        *graph.output,
        *graph.initializer,
        *graph.value_info,
    ):
        del holder.metadata_props[:]
    return len(graph.node)


def _module(node: NodeProto) -> str:
    """The dotted path of the node's module inside the network; ``network`` for the network itself."""
    weights = [name.removesuffix(".weight") for name in node.input if name.endswith(".weight")]
    scopes = [entry.value for entry in node.metadata_props if entry.key == SCOPES]
    # The last scope is the traced operation itself.
    path = weights[0] if weights else ast.literal_eval(scopes[0])[-2] if scopes else ""
    return path.removeprefix("network.") or "network"
