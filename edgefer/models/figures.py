"""Sizes of a network that follow from its architecture alone; no memory is spent on weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgefer.models.spec import ModelSpec

if TYPE_CHECKING:
    from torch import Tensor, nn


def count(spec: ModelSpec, variant: str | None = None, classes: int = 7) -> int:
    """Trainable parameters: weights, biases, and gamma and beta of normalisations."""
    return sum(parameter.numel() for parameter in _shapes(spec, variant, classes).parameters())


def keras_total(spec: ModelSpec, variant: str | None = None, classes: int = 7) -> int:
    """Trainable parameters and moving statistics: the figure that a Keras summary prints."""
    network = _shapes(spec, variant, classes)
    statistics = sum(buffer.numel() for name, buffer in network.named_buffers() if "running_" in name)
    return sum(parameter.numel() for parameter in network.parameters()) + statistics


def macs(spec: ModelSpec, variant: str | None = None, classes: int = 7) -> int:
    """Multiply-adds for one face at the contract's size: (transposed) convolutions and linear layers."""
    import torch
    from torch import nn

    network, total = _shapes(spec, variant, classes).eval(), 0

    def add(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(layer, nn.ConvTranspose2d):
            total += inputs[0].numel() * layer.weight[0].numel()
        elif isinstance(layer, (nn.Conv2d, nn.Linear)):
            total += output.numel() * layer.weight[0].numel()

    for layer in network.modules():
        layer.register_forward_hook(add)
    contract = spec.contract
    network(torch.empty(1, contract.channels, contract.height, contract.width, device="meta"))
    return total


def _shapes(spec: ModelSpec, variant: str | None, classes: int) -> nn.Module:
    import torch

    with torch.device("meta"):
        return spec.build(variant, classes)
