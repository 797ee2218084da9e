"""Building blocks that more than one network of the zoo is made of."""

from __future__ import annotations

from torch import nn

KERAS_EPS = 1e-3
"""Epsilon of Keras's batch normalisation."""


def conv_norm(
    inputs: int,
    outputs: int,
    *,
    kernel: int = 3,
    stride: int = 1,
    groups: int = 1,
    eps: float = 1e-5,
    activation: type[nn.Module] | None = nn.ReLU,
) -> nn.Sequential:
    """Convolution without bias, batch normalisation, activation unless None; "same" size at stride 1.

    Shapes: N x inputs x H x W -> N x outputs x ceil(H / stride) x ceil(W / stride) for odd kernels.
    """
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs, eps=eps),
    ]
    if activation is not None:
        layers.append(activation(inplace=True))
    return nn.Sequential(*layers)


class DepthwiseSeparable(nn.Sequential):
    """Depthwise convolution without bias, pointwise convolution with bias, one ReLU at the end.

    Shapes: N x inputs x H x W -> N x outputs x H' x W', H' = (H + 2 padding - kernel) // stride + 1.
    """

    def __init__(self, inputs: int, outputs: int, *, kernel: int, stride: int, padding: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, inputs, kernel, stride, padding, groups=inputs, bias=False),
            nn.Conv2d(inputs, outputs, 1),
            nn.ReLU(inplace=True),
        )


def channel_bottleneck(channels: int, *, reduction: int) -> nn.Sequential:
    """Two fully connected layers with a ReLU between, as 1 x 1 convolutions: the scores of channel gates.

    J. Hu et al., "Squeeze-and-Excitation Networks", 2018 (arXiv:1709.01507), before the sigmoid.

    Shapes: N x channels x 1 x 1 -> the same, by way of channels // reduction.
    """
    return nn.Sequential(
        nn.Conv2d(channels, channels // reduction, 1),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels // reduction, channels, 1),
    )


def initialise_he(module: nn.Module) -> None:
    """He initialisation by fan-in, uniform as in Keras, for (transposed) convolutions; zero biases."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
