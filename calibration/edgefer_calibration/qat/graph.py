"""A float graph in torch that rounds wherever the quantized graph does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from edgefer_calibration.qat.operators import OPERATORS
from edgefer_calibration.ranges import Limits
from edgefer_runtime.contract import PREPROCESSING
from edgefer_runtime.errors import UsageError

if TYPE_CHECKING:
    from onnx import ModelProto

WEIGHT_LEVELS = 127
QUANTIZED, QUANTIZED_INPUT = "_quantized", "_QuantizeLinear_Input"
"""What ONNX Runtime's quantizer appends to the names of weights, and of outputs before their pair."""


def rounded(x: Tensor) -> Tensor:
    """Round half to even; the gradient passes straight through (Bengio et al., arXiv:1308.3432)."""
    return x + (torch.round(x) - x).detach()


@dataclass
class Pair:
    """A Q/DQ pair on an activation, whose scale is learned with the weights.

    The logarithm of the scale is what is learned, so that a step is relative (Jain et al., Trained
    quantization thresholds, arXiv:1903.08066); the zero point stays.

    Attributes:
        log_scale: scalar.
        zero_point, low, high: integers.
    """

    log_scale: Tensor
    zero_point: int
    low: int
    high: int

    def __call__(self, x: Tensor) -> Tensor:
        """Quantize and dequantize."""
        scale = self.log_scale.exp()
        return (rounded((x / scale).clamp(self.low - self.zero_point, self.high - self.zero_point))) * scale

    def limits(self) -> Limits:
        """The range that the integers cover."""
        scale = float(self.log_scale.detach().exp())
        return (self.low - self.zero_point) * scale, (self.high - self.zero_point) * scale


class FakeQuantized:
    """What the float graph ``model`` computes from its network's input on, rounded as in ``quantized``.

    Preprocessing and normalisation layers stay as they are; weights and biases of the layers in INT8, and
    the scales of the pairs, are parameters.
    """

    def __init__(self, model: ModelProto, quantized: ModelProto) -> None:
        self._nodes = [
            (node.op_type, list(node.input), list(node.output), _attributes(node))
            for node in model.graph.node
            if not node.name.startswith(PREPROCESSING)
        ]
        if unknown := {node[0] for node in self._nodes} - set(OPERATORS):
            raise UsageError(
                f"quantization-aware training of {', '.join(sorted(unknown))}",
                expected=f"a graph of {', '.join(OPERATORS)}",
            )
        self._values = _constants(model)
        made = {value for _, _, outputs, _ in self._nodes for value in outputs}
        (self.start,) = (
            {value for _, inputs, _, _ in self._nodes for value in inputs if value} - {*self._values} - made
        )
        self.end = model.graph.output[0].name
        self.pairs = _pairs(quantized)
        self._weight_axes = {
            node.input[0].removesuffix(QUANTIZED): _attributes(node).get("axis")
            for node in quantized.graph.node
            if node.op_type == "DequantizeLinear" and node.input[0].removesuffix(QUANTIZED) in self._values
        }
        biases = {
            inputs[2]: inputs[1]
            for _, inputs, _, _ in self._nodes
            if len(inputs) > 2 and inputs[1] in self._weight_axes
        }
        self._weight_axes = {name: axis for name, axis in self._weight_axes.items() if name not in biases}
        units = {name: self._values[name].abs() for name in self._weight_axes}
        units |= {
            bias: _norms(self._values[weight], self._weight_axes[weight]) for bias, weight in biases.items()
        }
        self._changes = {
            name: (torch.zeros_like(unit, requires_grad=True), unit) for name, unit in units.items()
        }

    def parameters(self) -> Iterator[Tensor]:
        """What is learned of weights, biases and scales, each in units of its own size."""
        yield from (change for change, _ in self._changes.values())
        yield from (pair.log_scale for pair in self.pairs.values())

    def learned(self) -> dict[str, Tensor]:
        """Weights and biases of the layers in INT8."""
        return {name: self._values[name] + change * unit for name, (change, unit) in self._changes.items()}

    def __call__(self, x: Tensor) -> Tensor:
        """The graph's output, N x K, for its network's input, N x C x H x W."""
        learned = self.learned()
        values: dict[str, Tensor | None] = {"": None, **self._values, **learned}
        values |= {name: _rounded_weight(learned[name], axis) for name, axis in self._weight_axes.items()}
        values[self.start] = self._after(self.start, x)
        for operator, inputs, outputs, attributes in self._nodes:
            results = OPERATORS[operator](attributes, *(values[name] for name in inputs))
            for name, result in zip(
                outputs, results if isinstance(results, tuple) else (results,), strict=True
            ):
                values[name] = self._after(name, result)
        end = values[self.end]
        assert end is not None
        return end

    def _after(self, name: str, value: Tensor) -> Tensor:
        return self.pairs[name](value) if name in self.pairs else value


def _constants(model: ModelProto) -> dict[str, Tensor]:
    from onnx import numpy_helper

    return {
        initializer.name: torch.from_numpy(numpy_helper.to_array(initializer).copy())
        for initializer in model.graph.initializer
    }


def _pairs(quantized: ModelProto) -> dict[str, Pair]:
    """Activation -> its pair."""
    constants = _constants(quantized)
    pairs = {}
    for node in quantized.graph.node:
        if node.op_type == "QuantizeLinear":
            scale, zero_point = (constants[name] for name in node.input[1:])
            bounds = (0, 255) if zero_point.dtype == torch.uint8 else (-WEIGHT_LEVELS, WEIGHT_LEVELS)
            name = node.input[0].removesuffix(QUANTIZED_INPUT)
            pairs[name] = Pair(scale.log().requires_grad_(), int(zero_point), *bounds)
    return pairs


def _rounded_weight(weight: Tensor, axis: int | None) -> Tensor:
    others = [other for other in range(weight.ndim) if other != axis]
    largest = weight.detach().abs().amax(dim=others, keepdim=True)
    scale = torch.where(largest > 0, largest / WEIGHT_LEVELS, 1.0)
    return rounded(weight / scale) * scale


def _norms(weight: Tensor, axis: int | None) -> Tensor:
    """The norm of each output channel's weights: a change of its bias is of that size."""
    norms: Tensor = torch.linalg.vector_norm(weight.transpose(0, axis or 0).flatten(1), dim=1)
    return norms


def _attributes(node: Any) -> dict[str, Any]:
    from onnx import helper

    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
