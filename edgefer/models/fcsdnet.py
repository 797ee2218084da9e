"""FCSDNet: a small DenseNet with channel and spatial attention fused after each dense block.

D. T. Long, "Efficient DenseNet Model with Fusion of Channel and Spatial Attention for Facial Expression
Recognition", Cybernetics and Information Technologies 24(1), 2024 (doi:10.2478/cait-2024-0010).

The variants name the stem's pooling and what pooling does with a last window that the map does not fill:

    max-ceil     maximum, as in the author's code; part-filled windows count
    avg-ceil     average, as in Table 1 of the paper
    max-floor    maximum; windows are always whole, which every engine computes alike
    avg-floor    average; likewise

Paper and code also differ in the spatial attention: the code's sigmoid, which equation 2 lacks, keeps the
two attentions on one scale, and its normalisation and missing bias come with it. The stem pads both sides
alike, not one more at the right and bottom as Keras does; no count or shape depends on it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgefer.models.anatomy import Anatomy, Maps
from edgefer.models.blocks import KERAS_EPS, channel_bottleneck, initialise_he

STAGES = ((32, 1), (64, 2), (128, 4))
"""Growth and number of components of each dense block (Table 1)."""


class DenseBlock(nn.Module):
    """Components that each add ``growth`` channels in front of all they were given.

    Equation 4 up to the transition. The newest channels come first, as in the author's code.

    Shapes: N x inputs x H x W -> N x (inputs + components * growth) x H x W.
    """

    def __init__(self, inputs: int, growth: int, components: int) -> None:
        super().__init__()
        self.components = nn.ModuleList(
            component(inputs + index * growth, growth) for index in range(components)
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Maps N x C x H x W behind everything computed from them."""
        for each in self.components:
            maps = torch.cat((each(maps), maps), 1)
        return maps


class FusedAttention(nn.Module):
    """The mean of channel attention and spatial attention on the same maps.

    Equations 1 to 3 with both weights at one half; since both scale the same input, their gates are
    averaged before the maps are multiplied once.

    Shapes: N x C x H x W -> the same, C a multiple of eight.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channel = channel_bottleneck(channels, reduction=8)
        self.spatial = nn.Sequential(
            nn.BatchNorm2d(2, eps=KERAS_EPS), nn.Conv2d(2, 1, 7, padding=3, bias=False)
        )

    def channel_gate(self, maps: Tensor) -> Tensor:
        """The gate of equation 1, N x C x 1 x 1 in 0..1."""
        mean, maximum = maps.mean((2, 3), keepdim=True), maps.amax((2, 3), keepdim=True)
        return torch.sigmoid(self.channel(mean) + self.channel(maximum))

    def spatial_gate(self, maps: Tensor) -> Tensor:
        """The gate of equation 2, N x 1 x H x W in 0..1."""
        mean, maximum = maps.mean(1, keepdim=True), maps.amax(1, keepdim=True)
        return torch.sigmoid(self.spatial(torch.cat((mean, maximum), 1)))

    def forward(self, maps: Tensor) -> Tensor:
        """Maps N x C x H x W, each value times the mean of the gates of its channel and its point."""
        return maps * ((self.channel_gate(maps) + self.spatial_gate(maps)) / 2)


class FCSDNet(nn.Module):
    """FCSDNet for ``classes`` expressions.

    Shapes: N x 3 x 100 x 100 -> logits N x classes. Any other size from 29 pixels up
    works too, for ``ceil`` from 3.

    Args:
        classes: number of expressions K.
        stem_pool: ``max`` or ``avg``, the pooling after the first convolution.
        ceil: let a pooling's last window reach beyond the map; only what lies within counts.
    """

    def __init__(self, classes: int, *, stem_pool: str, ceil: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, 64, 7, stride=2, padding=3), pooling(stem_pool, ceil)]
        channels = 64
        for growth, components in STAGES:
            layers += [
                DenseBlock(channels, growth, components),
                transition(channels + components * growth, 4 * growth, ceil),
                FusedAttention(4 * growth),
            ]
            channels = 4 * growth
        self.features = nn.Sequential(*layers)
        self.classify = nn.Linear(channels, classes)
        self.apply(initialise_he)

    def forward(self, images: Tensor) -> Tensor:
        """Logits N x K of normalised images N x 3 x H x W."""
        logits: Tensor = self.classify(self.features(images).mean((2, 3)))
        return logits


def component(inputs: int, growth: int) -> nn.Sequential:
    """Normalise, activate, convolve, twice: N x inputs x H x W -> N x growth x H x W (section 3.2)."""
    return nn.Sequential(
        nn.BatchNorm2d(inputs, eps=KERAS_EPS),
        nn.ReLU(inplace=True),
        nn.Conv2d(inputs, 4 * growth, 1),
        nn.BatchNorm2d(4 * growth, eps=KERAS_EPS),
        nn.ReLU(inplace=True),
        nn.Conv2d(4 * growth, growth, 3, padding=1),
    )


def transition(inputs: int, outputs: int, ceil: bool) -> nn.Sequential:
    """Fewer channels at half the size: N x inputs x H x W -> N x outputs x H/2 x W/2."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 1), nn.ReLU(inplace=True), nn.AvgPool2d(2, ceil_mode=ceil)
    )


def pooling(kind: str, ceil: bool) -> nn.Module:
    """The stem's 3 x 3 pooling, N x C x H x W -> N x C x H/2 x W/2; padding never counts.

    Where windows are to be whole, the map is padded on all sides, as in ResNet's stem.
    """
    padding = 0 if ceil else 1
    if kind == "max":
        return nn.MaxPool2d(3, 2, padding, ceil_mode=ceil)
    return nn.AvgPool2d(3, 2, padding, ceil_mode=ceil, count_include_pad=False)


def build(variant: str, classes: int) -> nn.Module:
    """The network of ``variant`` for ``classes`` expressions."""
    stem_pool, rounding = variant.split("-")
    return FCSDNet(classes, stem_pool=stem_pool, ceil=rounding == "ceil")


def anatomy(network: FCSDNet) -> Anatomy:
    """The maps of the last transition before it halves them, 7 x 7 at 100 pixels, and the last layer."""
    *_, last_transition, _attention = network.features.children()
    _convolution, activation, _pool = last_transition.children()
    return Anatomy((Maps((activation,)),), (network.classify,))
