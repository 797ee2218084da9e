"""Quantizes what is only moved once, before it is moved, and not again behind each move.

A pooling that takes maxima, a split, a concatenation hand their values on. ONNX Runtime's quantizer gives
what they make a pair of its own, with a range of its own, and OpenVINO then converts INT8 to INT8: a pass
over memory, and for the threads one more wait. With one range for all that a move connects nothing has to be
converted, and nothing is rounded twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

    from edgefer_calibration.ranges import Limits

MOVES = ("MaxPool", "Split", "Gather", "Transpose", "Reshape")
"""Operators that hand on values of their first input; a concatenation those of all."""

WIDEST = 2.0
"""Times that an input's range may grow: beyond it fewer levels are left of it than the conversion is worth.
FCSDNet's first concatenation would take 6.2 times, and the network diverge from float eleven times as far."""

LEVELS = 255


def carry_pairs(model: ModelProto, clipped: Collection[str] = ()) -> int:
    """Take away, in place, each pair behind a move whose inputs have pairs or can have them.

    Inputs get the range that covers all of what they are moved to. An input that neither has a pair nor is
    moved from where one is gets one only if nothing else reads it: what else reads it would be rounded too.

    Args:
        model: as ONNX Runtime's quantizer writes it: U8 activations, one range a tensor. It leaves ReLU and
            Clip out where a pair's range does the same, so that a range from zero on stays one.
        clipped: what Clip made in the float graph; those ranges stay as they are.

    Returns:
        How many pairs were taken away.
    """
    pairs = _Pairs(model)
    moved: set[str] = set()
    groups: dict[str, set[str]] = {}
    for node in reversed(model.graph.node):
        sources = [pairs.source(value) for value in _data(node)]
        made = [value for value in node.output if value in groups or value in pairs.quantize]
        if not made or not sources or not all(pairs.can_have(source, node) for source in sources):
            continue
        group = {*sources, *node.output}.union(*(groups.get(value, ()) for value in (*sources, *made)))
        groups.update(dict.fromkeys(group, group))
        moved.update(node.output)
    taken = 0
    for group in {id(group): group for group in groups.values()}.values():
        ranges = {value: pairs.limits(value) for value in group if value in pairs.quantize}
        whole = min(low for low, _ in ranges.values()), max(high for _, high in ranges.values())
        if not all(
            _may_become(limits, whole, value in clipped)
            for value, limits in ranges.items()
            if value not in moved
        ):
            continue
        for value in sorted(group):
            if value not in moved:
                pairs.put(value, whole)
            elif value in ranges:
                pairs.take(value)
                taken += 1
    return taken


def _may_become(limits: Limits, whole: Limits, clipped: bool) -> bool:
    """Whether a pair may have the range ``whole`` instead of its ``limits``."""
    if clipped and limits != whole:
        return False
    (low, high), (lowest, highest) = limits, whole
    return (low < 0 or lowest == 0) and highest - lowest <= WIDEST * (high - low)


def _data(node: NodeProto) -> list[str]:
    """What a move takes; empty for anything else."""
    if node.op_type == "Concat":
        return [*node.input]
    return [node.input[0]] if node.op_type in MOVES else []


class _Pairs:
    """The pairs on a graph's activations, by the tensor they stand on."""

    def __init__(self, model: ModelProto) -> None:
        from onnx import numpy_helper

        self.graph = model.graph
        self.constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self.values = {name: numpy_helper.to_array(tensor) for name, tensor in self.constants.items()}
        self.readers: defaultdict[str, list[NodeProto]] = defaultdict(list)
        for node in model.graph.node:
            for value in node.input:
                self.readers[value].append(node)
        self.makers = {value: node for node in model.graph.node for value in node.output}
        self.outputs = {value.name for value in model.graph.output}
        self.quantize = {
            node.input[0]: node
            for node in model.graph.node
            if node.op_type == "QuantizeLinear" and node.input[0] not in self.constants
        }
        self.dequantize = {value: self.readers[node.output[0]][0] for value, node in self.quantize.items()}
        self.sources: dict[str, str] = {node.output[0]: value for value, node in self.dequantize.items()}

    def source(self, value: str) -> str:
        """The tensor that ``value`` is, or is the rounded form of."""
        return self.sources.get(value, value)

    def can_have(self, value: str, reader: NodeProto) -> bool:
        """Whether ``value`` is INT8 as it is, or can be made so for ``reader`` alone."""
        if value in self.quantize:
            return True
        if value not in self.makers or value in self.outputs:
            return False
        maker = self.makers[value]
        taken = [self.source(moved) for moved in _data(maker)]
        carried = bool(taken) and all(self.can_have(source, maker) for source in taken)
        return carried or self.readers[value] == [reader]

    def limits(self, value: str) -> Limits:
        """The range of the pair on ``value``."""
        scale, zero = (self.values[name].item() for name in self.quantize[value].input[1:])
        return -zero * scale, (LEVELS - zero) * scale

    def put(self, value: str, limits: Limits) -> None:
        """Give ``value`` a pair of this range, or this range to its pair."""
        from onnx import helper, numpy_helper

        low, high = limits
        scale = np.float32((high - low) / LEVELS)
        numbers = {"scale": scale, "zero_point": np.uint8(np.rint(-low / scale))}
        if value in self.quantize:
            for name, number in zip(self.quantize[value].input[1:], numbers.values(), strict=True):
                self.constants[name].CopyFrom(numpy_helper.from_array(np.asarray(number), name))
            return
        names = [f"{value}_{part}" for part in numbers]
        self.graph.initializer.extend(map(numpy_helper.from_array, map(np.asarray, numbers.values()), names))
        whole, rounded = (f"{value}_{operator}_Output" for operator in ("QuantizeLinear", "DequantizeLinear"))
        for node in self.readers[value]:
            node.input[:] = [rounded if taken == value else taken for taken in node.input]
        (maker,) = (index for index, node in enumerate(self.graph.node) if value in node.output)
        pair = (("QuantizeLinear", value, whole), ("DequantizeLinear", whole, rounded))
        for offset, (operator, taken, made) in enumerate(pair, start=1):
            new = helper.make_node(operator, [taken, *names], [made], f"{value}_{operator}")
            self.graph.node.insert(maker + offset, new)

    def take(self, value: str) -> None:
        """Take the pair on ``value`` away."""
        whole, rounded = self.quantize[value], self.dequantize[value]
        for node in self.readers[rounded.output[0]]:
            node.input[:] = [value if taken == rounded.output[0] else taken for taken in node.input]
        for node in (rounded, whole):
            self.graph.node.remove(node)
        for name in whole.input[1:]:
            self.graph.initializer.remove(self.constants[name])
