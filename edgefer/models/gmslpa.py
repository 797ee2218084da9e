"""GMS-LPA: a ResNet that goes on in two branches, the whole face at many scales and four patches of it.

C. Liu, X. Liu, C. Chen, K. Zhou, "Deep Global Multiple-Scale and Local Patches Attention Dual-Branch
Network for Pose-Invariant Facial Expression Recognition", 2023. Equation and figure numbers below are the
paper's.

Three stages of a ResNet are shared. The global branch (GMS) goes on with symmetric multi-scale units, the
local branch (LPA) cuts the features into four quadrants and gates what each sees; both classify.

    full             ResNet-50 trunk, one local network for each quadrant
    shared-patch     ResNet-50 trunk, one local network for all quadrants
    resnet18         ResNet-18 trunk and units
    resnet18-shared  ResNet-18 trunk and units, one local network for all quadrants

The paper leaves details open. Ours: the first multi-scale unit of a stage halves the map by average
pooling; gates act before the shortcut and are resized to the nearest pixel; the decision weighs logits as
the loss weighs the branches; the ResNet-18 form adds its multi-scale sums without 1x1 convolutions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgefer.models.anatomy import Anatomy, Maps
from edgefer.models.blocks import conv_norm
from edgefer.models.resnet import Body, basic, bottleneck, initialise, stage, stem

ALPHA = 0.6
"""Share of the local branch, in the loss (Eq. 6) and in the decision."""

SUBSETS = 4
"""Channel subsets of a multi-scale unit (n)."""

QUADRANTS = 4
"""Patches of the local branch, 2 x 2 (m)."""


class Branches(NamedTuple):
    """What the two losses need (Eq. 5 and 6): logits N x K of each branch."""

    global_logits: Tensor
    local_logits: Tensor

    def logits(self) -> Tensor:
        """The decision, N x K: the branches' logits, weighed as the loss weighs the branches."""
        return ALPHA * self.local_logits + (1 - ALPHA) * self.global_logits


class SymmetricMultiScale(nn.Module):
    """Subsets of channels, each convolved together with what came before it, in both directions.

    Eq. 1 runs from the first subset to the last, Eq. 2 from the last to the first (its index i - 1 is a
    misprint of i + 1), and Eq. 3 adds what both found.

    Shapes: N x channels x H x W -> N x outputs x H x W.

    Args:
        channels: channels of the input, a multiple of four.
        outputs: expand each direction to these by a normalised 1x1 convolution; None adds them as they are.
    """

    def __init__(self, channels: int, outputs: int | None = None) -> None:
        super().__init__()
        width = channels // SUBSETS
        self.positive = nn.ModuleList(conv_norm(width, width) for _ in range(SUBSETS))
        self.negative = nn.ModuleList(conv_norm(width, width) for _ in range(SUBSETS))
        self.expand_positive, self.expand_negative = (
            nn.Identity() if outputs is None else conv_norm(channels, outputs, kernel=1, activation=None)
            for _ in range(2)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Features N x outputs x H x W of features N x channels x H x W."""
        subsets = features.chunk(SUBSETS, dim=1)
        positive = torch.cat(accumulate([*self.positive], subsets), 1)
        negative = torch.cat(accumulate([*self.negative][::-1], subsets[::-1])[::-1], 1)
        summed: Tensor = self.expand_positive(positive) + self.expand_negative(negative)
        return summed


def accumulate(layers: Sequence[nn.Module], subsets: Sequence[Tensor]) -> list[Tensor]:
    """Each layer on its subset plus the layer's output before it (Eq. 1)."""
    outputs = [layers[0](subsets[0])]
    for layer, subset in zip(layers[1:], subsets[1:], strict=True):
        outputs.append(layer(subset + outputs[-1]))
    return outputs


class PatchGate(nn.Module):
    """Spatial gate in (0, 1) from the mean and the maximum over channels (Eq. 4, Fig. 5).

    Shapes: N x C x H x W -> N x C x H x W.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 3, stride=2, padding=1)

    def gate(self, features: Tensor) -> Tensor:
        """The gate N x 1 x H x W of features N x C x H x W."""
        described = torch.cat([features.mean(1, keepdim=True), features.amax(1, keepdim=True)], 1)
        return F.interpolate(torch.sigmoid(self.conv(described)), features.shape[2:], mode="nearest")

    def forward(self, features: Tensor) -> Tensor:
        """Features N x C x H x W times their gate."""
        return features * self.gate(features)


class LocalBranch(nn.Module):
    """Four quadrants through local networks, pooled over the reunited map (section 3.3).

    The mean over the reunited map is the mean of the quadrants' means, so it is never put together. One
    network for all quadrants takes them as a batch four times as long.

    Shapes: N x C x H x W with even H and W -> N x C'.

    Args:
        networks: one for each quadrant, or one for all.
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, features: Tensor) -> Tensor:
        """Pooled features N x C' of features N x C x H x W."""
        patches = quadrants(features)
        if len(self.networks) == 1:
            together = pool(self.networks[0](patches.flatten(0, 1)))
            pooled = together.reshape(features.shape[0], QUADRANTS, -1)
        else:
            pooled = torch.stack([pool(network(patches[:, i])) for i, network in enumerate(self.networks)], 1)
        return pooled.mean(1)


def quadrants(features: Tensor) -> Tensor:
    """Top left, top right, bottom left, bottom right: N x C x H x W -> N x 4 x C x H/2 x W/2.

    By reshaping rather than by cutting and stacking, which would freeze the batch size on export.
    """
    N, C, H, W = features.shape
    return features.reshape(N, C, 2, H // 2, 2, W // 2).permute(0, 2, 4, 1, 3, 5).flatten(1, 2)


def pool(features: Tensor) -> Tensor:
    """Global average pooling: N x C x H x W -> N x C."""
    return features.mean((2, 3))


@dataclass(frozen=True, slots=True)
class Form:
    """A ResNet to build on: units of the trunk, channels and depth of its stages, and multi-scale units."""

    unit: Body
    multi_scale: Body
    widths: tuple[int, int, int, int]
    trunk_units: tuple[int, int]


def multi_scale_bottleneck(inputs: int, outputs: int, stride: int) -> nn.Module:
    """A bottleneck with the multi-scale chains for its 3x3 convolution (Fig. 3b)."""
    planes = outputs // 4
    return nn.Sequential(
        conv_norm(inputs, planes, kernel=1),
        nn.AvgPool2d(stride) if stride > 1 else nn.Identity(),
        SymmetricMultiScale(planes, outputs),
    )


def multi_scale_basic(inputs: int, outputs: int, stride: int) -> nn.Module:
    """A basic unit with the multi-scale chains for its second 3x3 convolution."""
    return nn.Sequential(conv_norm(inputs, outputs, stride=stride), SymmetricMultiScale(outputs))


RESNET50 = Form(bottleneck, multi_scale_bottleneck, (256, 512, 1024, 2048), (3, 4))
RESNET18 = Form(basic, multi_scale_basic, (64, 128, 256, 512), (2, 2))


class GMSLPA(nn.Module):
    """GMS-LPA for ``classes`` expressions.

    Shapes: N x 3 x 224 x 224 -> logits N x classes. Other multiples of 32 pixels work
    too, and of 16 for a ResNet-18.

    Args:
        classes: number of expressions K.
        form: the ResNet to build on.
        shared: one local network for all quadrants instead of one for each.
    """

    def __init__(self, classes: int, *, form: Form, shared: bool) -> None:
        super().__init__()
        second, third, fourth, fifth = form.widths

        def gated(inputs: int, outputs: int, stride: int) -> nn.Module:
            return nn.Sequential(form.unit(inputs, outputs, stride), PatchGate())

        def branch(body: Body, stride: int) -> nn.Sequential:
            return nn.Sequential(
                stage(body, third, fourth, units=2, stride=2),
                stage(body, fourth, fifth, units=2, stride=stride),
            )

        self.trunk = nn.Sequential(
            stem(),
            stage(form.unit, 64, second, units=form.trunk_units[0], stride=1),
            stage(form.unit, second, third, units=form.trunk_units[1], stride=2),
        )
        self.whole = branch(form.multi_scale, stride=2)
        self.local = LocalBranch([branch(gated, stride=1) for _ in range(1 if shared else QUADRANTS)])
        self.classify_global = nn.Linear(fifth, classes)
        self.classify_local = nn.Linear(fifth, classes)
        self.apply(initialise)

    def branches(self, images: Tensor) -> Branches:
        """Both branches on normalised images N x 3 x H x W."""
        features = self.trunk(images)
        return Branches(
            global_logits=self.classify_global(pool(self.whole(features))),
            local_logits=self.classify_local(self.local(features)),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Logits N x K of normalised images N x 3 x H x W."""
        return self.branches(images).logits()


VARIANTS = {
    "full": (RESNET50, False),
    "shared-patch": (RESNET50, True),
    "resnet18": (RESNET18, False),
    "resnet18-shared": (RESNET18, True),
}


def build(variant: str, classes: int) -> nn.Module:
    """The network of ``variant`` (see the module) for ``classes`` expressions."""
    form, shared = VARIANTS[variant]
    return GMSLPA(classes, form=form, shared=shared)


def anatomy(network: GMSLPA) -> Anatomy:
    """The maps of both branches, 7 x 7 and, reunited, 14 x 14 at 224 pixels, and what classifies them."""
    whole, local = Maps((network.whole,)), Maps((*network.local.networks,), grid=2)
    return Anatomy((whole, local), (network.classify_global, network.classify_local))
