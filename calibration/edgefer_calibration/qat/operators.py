"""The ONNX operators of the zoo's float graphs in torch, so that gradients run through them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

Attributes: TypeAlias = Mapping[str, Any]


def _padded(x: Tensor, attributes: Attributes, value: float = 0.0) -> Tensor:
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    return F.pad(x, (left, right, top, bottom), value=value) if top or left or bottom or right else x


def _conv(a: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return F.conv2d(
        _padded(x, a),
        weight,
        bias,
        stride=a.get("strides", 1),
        dilation=a.get("dilations", 1),
        groups=a.get("group", 1),
    )


def _conv_transpose(a: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return F.conv_transpose2d(
        x,
        weight,
        bias,
        stride=a.get("strides", 1),
        padding=a.get("pads", (0, 0))[:2],
        output_padding=a.get("output_padding", 0),
        groups=a.get("group", 1),
    )


def _gemm(a: Attributes, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return F.linear(x, weight if a.get("transB") else weight.T, bias)


def _max_pool(a: Attributes, x: Tensor) -> Tensor:
    return F.max_pool2d(
        _padded(x, a, -torch.inf),
        a["kernel_shape"],
        a.get("strides", 1),
        ceil_mode=bool(a.get("ceil_mode")),
    )


def _average_pool(a: Attributes, x: Tensor) -> Tensor:
    return F.avg_pool2d(
        x,
        a["kernel_shape"],
        a.get("strides", 1),
        a.get("pads", (0, 0))[:2],
        ceil_mode=bool(a.get("ceil_mode")),
        count_include_pad=bool(a.get("count_include_pad")),
    )


def _batch_norm(
    a: Attributes, x: Tensor, scale: Tensor, shift: Tensor, mean: Tensor, variance: Tensor
) -> Tensor:
    return F.batch_norm(x, mean, variance, scale, shift, eps=a["epsilon"])


def _reduced(reduce: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def run(a: Attributes, x: Tensor, axes: Tensor) -> Tensor:
        return reduce(x, dim=axes.tolist(), keepdim=bool(a.get("keepdims", 1)))

    return run


def _reshape(a: Attributes, x: Tensor, shape: Tensor) -> Tensor:
    # A graph of batch 1 says 1 where the batch is.
    return x.reshape(len(x), *shape.tolist()[1:])


def _resize(a: Attributes, x: Tensor, *arguments: Tensor | None) -> Tensor:
    sizes = arguments[-1]
    assert sizes is not None and a["mode"] == b"nearest", "the zoo's networks resize gates, to the nearest"
    return F.interpolate(x, size=sizes.tolist()[2:], mode="nearest")


def _unsqueeze(a: Attributes, x: Tensor, axes: Tensor) -> Tensor:
    for axis in axes.tolist():
        x = x.unsqueeze(axis)
    return x


OPERATORS: Mapping[str, Callable[..., Tensor | tuple[Tensor, ...]]] = {
    "Add": lambda a, x, y: x + y,
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Clip": lambda a, x, low, high: x.clamp(low, high),
    "Concat": lambda a, *parts: torch.cat(parts, a["axis"]),
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Div": lambda a, x, y: x / y,
    "Gather": lambda a, x, indices: x.index_select(a["axis"], indices.reshape(-1)).reshape(
        *x.shape[: a["axis"]], *indices.shape, *x.shape[a["axis"] + 1 :]
    ),
    "Gemm": _gemm,
    "MatMul": lambda a, x, y: x @ y,
    "Max": lambda a, x, y: torch.maximum(x, y),
    "MaxPool": _max_pool,
    "Min": lambda a, x, y: torch.minimum(x, y),
    "Mul": lambda a, x, y: x * y,
    "ReduceMax": _reduced(torch.amax),
    "ReduceMean": _reduced(torch.mean),
    "ReduceSum": _reduced(torch.sum),
    "Relu": lambda a, x: F.relu(x),
    "Reshape": _reshape,
    "Resize": _resize,
    "Sigmoid": lambda a, x: torch.sigmoid(x),
    "Softmax": lambda a, x: torch.softmax(x, a.get("axis", -1)),
    "Split": lambda a, x, sizes=None: x.split(
        x.shape[a["axis"]] // a["num_outputs"] if sizes is None else sizes.tolist(), a["axis"]
    ),
    "Transpose": lambda a, x: x.permute(a["perm"]),
    "Unsqueeze": _unsqueeze,
}
"""Operator -> function of its attributes and inputs. Their first axis is the batch, of any length."""
