"""DSAN: a ResNet-18 whose pooled features are weighed element by element, and part by part.

H. Tang, Y. Li, Z. Jin, "A dual stream attention network for facial expression recognition in the wild",
2024. Equation, figure and table numbers below are the paper's.

Global max pooling leaves one vector of 512 features. One branch (GFE) condenses it to 128 and weighs each
element by a sparse attention; the other (MFF) splits it into four parts and weighs each part as a whole.
Both classify, and the decision is a weighted mean of their probabilities, so that is what the network
returns. The class centres of the paper's losses (Eq. 4, 5) are no part of it: nothing here reads them.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from edgefer.models.anatomy import Anatomy, Maps
from edgefer.models.resnet import basic, initialise, stage, stem

ALPHA = 0.4
"""Share of the global branch, in the decision and in the loss (Eq. 11 and section 4.4.4)."""

CHANNELS = 512
"""Features after pooling (C)."""

PARTS = 4
"""Local features that the vector is split into (F)."""

WIDTH = CHANNELS // PARTS
"""Size of the condensed global feature and of a local one (d = C / F)."""


class Branches(NamedTuple):
    """What the losses need of both branches (Eq. 3, 4 and 11).

    Attributes:
        global_logits: z1 of the GFE branch, N x K.
        local_logits: z2 of the MFF branch, N x K.
        embedding: the global feature h before recalibration, N x 128.
        attention: its weights a >= 0, N x 128; a * h is what the GFE branch classifies.
    """

    global_logits: Tensor
    local_logits: Tensor
    embedding: Tensor
    attention: Tensor

    def probabilities(self) -> Tensor:
        """The decision, N x K: the branches' probabilities, weighed (section 3.4)."""
        of_global = torch.softmax(self.global_logits, dim=-1)
        of_local = torch.softmax(self.local_logits, dim=-1)
        return ALPHA * of_global + (1 - ALPHA) * of_local


class SparseAttention(nn.Sequential):
    """Weights of feature elements, exact zeros among them: two layers and one ReLU (Eq. 2, Fig. 3a).

    Each layer is normalised, which the equation leaves out: all parameter counts of Table 7 say so.

    Shapes: N x dimension -> N x dimension.

    Args:
        dimension: size d of the feature.
        reduction: the bottleneck is d / ``reduction`` wide (r).
    """

    def __init__(self, dimension: int, reduction: int = 2) -> None:
        hidden = dimension // reduction
        super().__init__(
            nn.Linear(dimension, hidden),
            nn.BatchNorm1d(hidden),
            nn.Linear(hidden, dimension),
            nn.BatchNorm1d(dimension),
            nn.ReLU(inplace=True),
        )


class LocalFeatureAttention(nn.Module):
    """Local features, each with a sub-network and a gate of its own, summed by gate (Eq. 8 and 9, Fig. 3b).

    The sub-networks are groups of one 1x1 convolution: the same arithmetic as a fully connected layer for
    each part, in two operators instead of eight.

    Shapes: N x channels x 1 x 1 -> N x channels / parts.
    """

    def __init__(self, channels: int, parts: int) -> None:
        super().__init__()
        self.extract = nn.Sequential(
            nn.Conv2d(channels, channels, 1, groups=parts),
            nn.ReLU(inplace=True),
        )
        self.gate = nn.Sequential(nn.Conv2d(channels, parts, 1, groups=parts), nn.Sigmoid())
        self.parts = parts

    def forward(self, pooled: Tensor) -> Tensor:
        """One feature N x channels / parts of pooled features N x channels x 1 x 1."""
        extracted: Tensor = self.extract(pooled)
        gates: Tensor = self.gate(extracted)
        parts = extracted.reshape(extracted.shape[0], self.parts, -1)
        return (gates.flatten(2) * parts).sum(1)


class DSAN(nn.Module):
    """DSAN for ``classes`` expressions.

    Shapes: N x 3 x 224 x 224 -> probabilities N x classes. Any other size works too.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            stem(),
            stage(basic, 64, 64, units=2, stride=1),
            stage(basic, 64, 128, units=2, stride=2),
            stage(basic, 128, 256, units=2, stride=2),
            stage(basic, 256, CHANNELS, units=2, stride=2),
        )
        self.embed = nn.Sequential(nn.Linear(CHANNELS, WIDTH), nn.ReLU(inplace=True))
        self.attention = SparseAttention(WIDTH)
        self.classify_global = nn.Linear(WIDTH, classes)
        self.local = LocalFeatureAttention(CHANNELS, PARTS)
        self.classify_local = nn.Linear(WIDTH, classes)
        self.apply(initialise)

    def branches(self, images: Tensor) -> Branches:
        """Both branches on normalised images N x 3 x H x W."""
        pooled = self.trunk(images).amax((2, 3), keepdim=True)
        embedding = self.embed(pooled.flatten(1))
        attention = self.attention(embedding)
        return Branches(
            global_logits=self.classify_global(attention * embedding),
            local_logits=self.classify_local(self.local(pooled)),
            embedding=embedding,
            attention=attention,
        )

    def forward(self, images: Tensor) -> Tensor:
        """Probabilities N x K of normalised images N x 3 x H x W."""
        return self.branches(images).probabilities()


def build(variant: str, classes: int) -> nn.Module:
    """The network for ``classes`` expressions; ``full`` is its only variant."""
    return DSAN(classes)


def anatomy(network: DSAN) -> Anatomy:
    """The trunk's maps, 7 x 7 at 224 pixels, and the layers that classify each branch."""
    return Anatomy((Maps((network.trunk,)),), (network.classify_global, network.classify_local))
