"""ResNet's parts: what DSAN and GMS-LPA are built on.

K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", CVPR 2016
(arXiv:1512.03385), Table 1. The bottleneck strides in its 3x3 convolution, as common weights expect.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from edgefer.models.blocks import conv_norm

Body = Callable[[int, int, int], nn.Module]
"""Makes what a residual unit adds to its shortcut, from input channels, output channels and stride."""


class Residual(nn.Module):
    """ReLU(body(x) + x); the shortcut is a normalised 1x1 convolution where the unit changes the shape.

    Shapes: N x inputs x H x W -> N x outputs x ceil(H / stride) x ceil(W / stride).
    """

    def __init__(self, body: Body, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.body = body(inputs, outputs, stride)
        self.shortcut = (
            nn.Identity()
            if (inputs, stride) == (outputs, 1)
            else conv_norm(inputs, outputs, kernel=1, stride=stride, activation=None)
        )
        self.activation = nn.ReLU(inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        """Features N x outputs x H' x W' of features N x inputs x H x W."""
        activated: Tensor = self.activation(self.body(features) + self.shortcut(features))
        return activated


def basic(inputs: int, outputs: int, stride: int) -> nn.Module:
    """Body of ResNet-18's unit: two 3x3 convolutions."""
    return nn.Sequential(
        conv_norm(inputs, outputs, stride=stride),
        conv_norm(outputs, outputs, activation=None),
    )


def bottleneck(inputs: int, outputs: int, stride: int) -> nn.Module:
    """Body of ResNet-50's unit: 1x1, 3x3 and 1x1 convolutions through a quarter of the channels."""
    planes = outputs // 4
    return nn.Sequential(
        conv_norm(inputs, planes, kernel=1),
        conv_norm(planes, planes, stride=stride),
        conv_norm(planes, outputs, kernel=1, activation=None),
    )


def stem() -> nn.Sequential:
    """The first layers: N x 3 x H x W -> N x 64 x H/4 x W/4."""
    return nn.Sequential(conv_norm(3, 64, kernel=7, stride=2), nn.MaxPool2d(3, stride=2, padding=1))


def stage(body: Body, inputs: int, outputs: int, *, units: int, stride: int) -> nn.Sequential:
    """Residual units in a row; the first one strides and changes the channels."""
    first = Residual(body, inputs, outputs, stride)
    return nn.Sequential(first, *(Residual(body, outputs, outputs) for _ in range(units - 1)))


def initialise(module: nn.Module) -> None:
    """He initialisation by fan-out for the convolutions that a normalisation follows: those without bias."""
    if isinstance(module, nn.Conv2d) and module.bias is None:
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
