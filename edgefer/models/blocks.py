"""Building blocks that more than one network of the zoo is made of."""

from __future__ import annotations

from torch import nn


def conv_norm(
    inputs: int,
    outputs: int,
    *,
    kernel: int = 3,
    stride: int = 1,
    groups: int = 1,
    eps: float = 1e-5,
    activation: type[nn.Module] = nn.ReLU,
) -> nn.Sequential:
    """Convolution without bias, batch normalisation, activation; "same" size at stride 1.

    Shapes: N x inputs x H x W -> N x outputs x ceil(H / stride) x ceil(W / stride) for odd kernels.
    """
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs, eps=eps),
        activation(inplace=True),
    )


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
