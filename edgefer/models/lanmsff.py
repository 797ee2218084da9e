"""LANMSFF: four small blocks, mass attention in every second one, and features selected from all of them.

A. Ezati, M. Dezyani, R. Rana, R. Rajabi, A. Ayatollahi, "A Lightweight Attention-based Deep Network via
Multi-Scale Feature Fusion for Multi-View Facial Expression Recognition", 2024 (arXiv:2403.14318).

Both of the paper's modules can be left out, as in its ablation (Table XII):

    full         mass attention, and point-wise feature selection
    no-pwfs      every feature of the first three blocks reaches the classifier: 300 of them, not 156
    no-massatt   no attention
    plain        neither

Where paper and code leave a choice, this is what computes the published 358 thousand parameters: the
middle layer of each block is depthwise separable, all other convolutions have a bias, and each of them is
normalised. Two things differ from the authors' Keras graph without changing any count or shape: layers
of stride two pad both sides, and ReLU comes before the max pooling it commutes with, where an engine can
fuse it into the convolution.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgefer.models.anatomy import Anatomy, Maps
from edgefer.models.blocks import KERAS_EPS, channel_bottleneck, initialise_he

KERAS_MOMENTUM = 0.01
"""Keras's 0.99, as torch counts it."""


class PWFS(nn.Module):
    """Point-wise feature selection: of three groups of channels, the mean of the two highest at each point.

    Equation 2, whose "min" is a misprint: the text discards the lowest and keeps highest and middle. The
    middle is found by comparisons alone, so that no sum leaves the range of the features and an INT8
    engine keeps one scale.

    Shapes: N x 3C x H x W -> N x C x H x W.
    """

    def forward(self, maps: Tensor) -> Tensor:
        """Maps N x 3C x H x W without their lowest third."""
        first, second, third = maps.chunk(3, 1)
        low, high = torch.minimum(first, second), torch.maximum(first, second)
        middle = torch.maximum(low, torch.minimum(high, third))
        return (torch.maximum(high, third) + middle) / 2


class MassAtt(nn.Module):
    """Mass attention: a gate for each channel times a gate for each point, both computed from the input.

    Equations 3 and 4.

    Shapes: N x C x H x W -> the same; C is a multiple of four.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channel = channel_bottleneck(channels, reduction=4)
        self.spatial = nn.Sequential(
            nn.Conv2d(1, 2, 3, stride=2, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(2, 4, 3, stride=2, padding=1),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1, output_padding=1),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(4, 1, 3, stride=2, padding=1, output_padding=1),
        )

    def channel_gate(self, maps: Tensor) -> Tensor:
        """A_c of equation 3, N x C x 1 x 1 in 0..1."""
        return torch.sigmoid(self.channel(maps.mean((2, 3), keepdim=True)))

    def spatial_gate(self, maps: Tensor) -> Tensor:
        """A_s of equation 3, N x 1 x H x W in 0..1."""
        gate, sizes = maps.mean(1, keepdim=True), []
        for step in self.spatial:
            if isinstance(step, nn.Conv2d):
                sizes.append(gate.shape[-2:])
                gate = step(gate)
            elif isinstance(step, nn.ConvTranspose2d):
                # Back to the size its convolution came from, which is odd where H / 4 is no whole number.
                gate = step(gate, output_size=sizes.pop())
            else:
                gate = step(gate)
        return torch.sigmoid(gate)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps N x C x H x W, each value times the gates of its channel and its point."""
        return maps * (self.channel_gate(maps) * self.spatial_gate(maps))


class ChannelShuffle(nn.Module):
    """Interleave the two halves of the channels: 0, C/2, 1, C/2 + 1, ...

    X. Zhang et al., "ShuffleNet", 2018 (arXiv:1707.01083), with two groups. The authors' first notebook
    draws the order at random whenever the graph is built and stores it nowhere, so that weights loaded
    into a new graph meet the wrong channels. The order is fixed here, and saved with the weights, which
    mean nothing in any other order.

    Shapes: N x C x H x W -> the same, C even.
    """

    order: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("order", torch.arange(channels).view(2, channels // 2).t().flatten())

    def forward(self, maps: Tensor) -> Tensor:
        """Maps N x C x H x W with their channels in the new order."""
        return maps.index_select(1, self.order)


class TwoPaths(nn.Module):
    """Three plain and three dilated convolutions side by side; after each pair both paths see both outputs.

    Shapes: N x inputs x H x W -> N x width x H x W, both even.
    """

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.shuffle = ChannelShuffle(inputs)
        self.plain, self.dilated = (
            nn.ModuleList(
                [
                    layer(inputs // 2, width // 2, dilation=dilation),
                    separable(width, width // 2, dilation=dilation),
                    layer(width, width // 2, dilation=dilation),
                ]
            )
            for dilation in (1, 2)
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Maps N x width x H x W of maps N x inputs x H x W."""
        first, second = self.shuffle(maps).chunk(2, 1)
        for plain, dilated in zip(self.plain, self.dilated, strict=True):
            maps = torch.cat((plain(first), dilated(second)), 1)
            first = second = maps
        return maps


class LANMSFF(nn.Module):
    """LANMSFF for ``classes`` expressions.

    Shapes: N x 1 x 64 x 64 -> logits N x classes. Any other size from 16 pixels up
    works too, FER2013's 48 for one.

    Args:
        classes: number of expressions K.
        pwfs: select features from the first three blocks, or take them all.
        massatt: weight the features of blocks two and four by mass attention.
        dropout: rate at the end of each block.
    """

    def __init__(self, classes: int, *, pwfs: bool, massatt: bool, dropout: float = 0.4) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.Sequential(*layers, nn.MaxPool2d(2), nn.Dropout(dropout))
            for layers in (
                three_layers(1, 66),
                attended_paths(66, 72, massatt),
                three_layers(72, 78),
                attended_paths(78, 84, massatt),
            )
        )
        self.select = PWFS() if pwfs else nn.Identity()
        self.classify = nn.Linear(22 + 24 + 26 + 84 if pwfs else 66 + 72 + 78 + 84, classes)
        self.apply(initialise_he)

    def forward(self, images: Tensor) -> Tensor:
        """Logits N x K of normalised grey images N x 1 x H x W."""
        scales, maps = [], images
        for block in self.blocks:
            maps = block(maps)
            scales.append(maps)
        selected = [*(self.select(scale) for scale in scales[:-1]), scales[-1]]
        logits: Tensor = self.classify(torch.cat([scale.mean((2, 3)) for scale in selected], 1))
        return logits


def three_layers(inputs: int, width: int) -> list[nn.Module]:
    """The convolutions of blocks one and three: N x inputs x H x W -> N x width x H x W."""
    return [layer(inputs, width), separable(width, width), layer(width, width)]


def attended_paths(inputs: int, width: int, massatt: bool) -> list[nn.Module]:
    """The convolutions of blocks two and four: N x inputs x H x W -> N x width x H x W."""
    return [TwoPaths(inputs, width), *([MassAtt(width)] if massatt else []), layer(width, width, kernel=1)]


def layer(inputs: int, outputs: int, *, kernel: int = 3, dilation: int = 1) -> nn.Sequential:
    """Convolution with bias, batch normalisation, ReLU: N x inputs x H x W -> N x outputs x H x W."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=dilation * (kernel // 2), dilation=dilation),
        nn.BatchNorm2d(outputs, eps=KERAS_EPS, momentum=KERAS_MOMENTUM),
        nn.ReLU(inplace=True),
    )


def separable(inputs: int, outputs: int, *, dilation: int = 1) -> nn.Sequential:
    """:func:`layer` with its 3 x 3 kernel depthwise, without bias, and a pointwise one after it."""
    depthwise = nn.Conv2d(inputs, inputs, 3, padding=dilation, dilation=dilation, groups=inputs, bias=False)
    return nn.Sequential(depthwise, *layer(inputs, outputs, kernel=1))


def build(variant: str, classes: int) -> nn.Module:
    """The network of ``variant`` for ``classes`` expressions."""
    return LANMSFF(classes, pwfs=variant in ("full", "no-massatt"), massatt=variant in ("full", "no-pwfs"))


def anatomy(network: LANMSFF) -> Anatomy:
    """The maps of the last block's last convolution, 8 x 8 at 64 pixels, the fully connected layer, PWFS."""
    *_, last, _pool, _dropout = network.blocks[-1].children()
    selections = (network.select,) if isinstance(network.select, PWFS) else ()
    return Anatomy((Maps((last,)),), (network.classify,), selections)
