"""PAtt-Lite: a truncated MobileNetV1, a patch block and a small attention classifier.

J. L. Ngwe, K. M. Lim, C. P. Lee, T. S. Ong, "PAtt-Lite: Lightweight Patch and Attention MobileNet for
Challenging Facial Expression Recognition", 2023 (arXiv:2306.09626).

The authors' code feeds the attention a batch x 32 matrix, so that every face is replaced by a mixture of
the faces that happen to share its batch. That cannot be deployed, and its accuracies cannot be compared
with anything. The variants name what attention runs between instead:

    head      FC1 and its normalisation on each patch token, attention between the tokens, their mean, FC2
    none      nothing: the mean of the patches, FC1, FC2, as the authors' graph computes at batch 1
    patch     the patch tokens before their mean and FC1
    feat      the 32 elements of FC1's feature, tokens of one number each: next to no capacity
    head-qkv  as head, with learnt queries, keys and values in place of the scale
    batch     the faces of a batch, as in the authors' code. For research only: on batches sorted by class,
              as the authors' evaluation has them, each face is told what its neighbours are

Two things differ from the authors' Keras graph without changing any count or shape: stride-2 layers pad
both sides by one instead of right and bottom by one (symmetric pads are what engines know best; Keras
weights find their features moved by up to 15 pixels), and FC1 is written as a 1x1 convolution, so that it
is quantized like one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from edgefer.models.anatomy import Anatomy, Maps
from edgefer.models.blocks import KERAS_EPS, DepthwiseSeparable, conv_norm

TRUNK = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1))
"""Output channels and stride of the depthwise-separable pairs 1..8 of MobileNetV1; the trunk adds the
depthwise half of pair 9."""


class TokenAttention(nn.Module):
    """Self-attention among the tokens of one face, softmax(s T T^T / sqrt(D)) T, with a learnt scale s.

    Eq. 3 of the paper on one face's tokens. Written out rather than as a fused operator, because the
    4 x 4 scores stay in float when the rest of an engine is INT8.

    Shapes: N x L x D -> N x L x D.
    """

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.temperature = dimension**0.5

    def weights(self, tokens: Tensor) -> Tensor:
        """Attention weights N x L x L; every row sums to one."""
        scores = tokens @ tokens.transpose(1, 2)
        return torch.softmax(self.scale * scores / self.temperature, dim=-1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens N x L x D, each replaced by the mixture its weights name."""
        return self.weights(tokens) @ tokens


class ElementAttention(TokenAttention):
    """The same among the D elements of a face's only token, each taken for a token of one number.

    Shapes: N x 1 x D -> N x 1 x D.
    """

    def __init__(self) -> None:
        super().__init__(dimension=1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens N x 1 x D, their elements mixed."""
        return super().forward(tokens.transpose(1, 2)).transpose(1, 2)


class BatchAttention(TokenAttention):
    """The same among the faces of a batch, unscaled as in Keras: what the authors' code computes.

    A face's answer depends on the other faces, which is why this is for research only.

    Shapes: N x 1 x D -> N x 1 x D.
    """

    def __init__(self) -> None:
        super().__init__(dimension=1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens N x 1 x D, each a mixture of all N."""
        return super().forward(tokens.transpose(0, 1)).transpose(0, 1)


class ProjectedAttention(nn.Module):
    """Self-attention among the tokens of one face with learnt projections, softmax(Q K^T / sqrt(D)) V.

    Shapes: N x L x D -> N x L x D.
    """

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(dimension, dimension) for _ in range(3))
        self.temperature = dimension**0.5

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens N x L x D, each replaced by a mixture of all values."""
        scores = self.query(tokens) @ self.key(tokens).transpose(1, 2)
        mixed: Tensor = torch.softmax(scores / self.temperature, dim=-1) @ self.value(tokens)
        return mixed


PATCH_CHANNELS, FEATURES = 256, 32
"""Size of a patch token and of FC1's feature."""

ATTENTIONS: Mapping[str, Callable[[], nn.Module]] = {
    "head": lambda: TokenAttention(FEATURES),
    "none": nn.Identity,
    "patch": lambda: TokenAttention(PATCH_CHANNELS),
    "feat": ElementAttention,
    "head-qkv": lambda: ProjectedAttention(FEATURES),
    "batch": BatchAttention,
}
"""What each variant attends with."""


class PAttLite(nn.Module):
    """PAtt-Lite for ``classes`` expressions.

    Shapes: N x 3 x 224 x 224 -> logits N x classes. Other sizes from 81 pixels up work too (training uses
    them in its early stages); below 209 pixels the patch block leaves one token, for which attention is
    the identity.

    Args:
        classes: number of expressions K.
        variant: what attention runs between (see the module).
        dropout: rate before FC1, as in the first stage of the authors' code; the two other dropouts, of whole
            channels before the mean and of tokens after attention, wait for its second stage.
    """

    def __init__(self, classes: int, *, variant: str = "head", dropout: float = 0.1) -> None:
        super().__init__()
        self.variant = variant
        self.trunk = mobilenet_trunk()
        self.patch = nn.Sequential(
            DepthwiseSeparable(512, PATCH_CHANNELS, kernel=4, stride=4, padding=1),
            DepthwiseSeparable(PATCH_CHANNELS, PATCH_CHANNELS, kernel=2, stride=2, padding=0),
            nn.Conv2d(PATCH_CHANNELS, PATCH_CHANNELS, 1),
            nn.ReLU(inplace=True),
        )
        self.drop_channels = nn.Dropout2d(0.0)
        self.drop_features = nn.Dropout(dropout)
        self.drop_tokens = nn.Dropout(0.0)
        self.embed = nn.Conv2d(PATCH_CHANNELS, FEATURES, 1)
        self.norm = nn.BatchNorm2d(FEATURES, eps=KERAS_EPS)
        self.attention = ATTENTIONS[variant]()
        self.classify = nn.Linear(FEATURES, classes)
        self.apply(initialise)

    def forward(self, images: Tensor) -> Tensor:
        """Logits N x K of normalised images N x 3 x H x W."""
        patches = self.drop_channels(self.patch(self.trunk(images)))
        if self.variant == "patch":
            patches = self.attention(as_tokens(patches)).mean(1)[:, :, None, None]
        elif self.variant not in ("head", "head-qkv"):
            patches = patches.mean((2, 3), keepdim=True)
        tokens = as_tokens(self.norm(torch.relu(self.embed(self.drop_features(patches)))))
        if self.variant != "patch":
            tokens = self.attention(tokens)
        logits: Tensor = self.classify(self.drop_tokens(tokens).mean(1))
        return logits


def as_tokens(maps: Tensor) -> Tensor:
    """The points of N x D x H x W as tokens N x HW x D."""
    return maps.flatten(2).transpose(1, 2)


def mobilenet_trunk() -> nn.Sequential:
    """MobileNetV1 (width 1) up to the ninth depthwise layer: N x 3 x H x W -> N x 512 x H/16 x W/16.

    A. G. Howard et al., "MobileNets", 2017 (arXiv:1704.04861), Table 1, cut as in PAtt-Lite's Table 5.
    """

    def layer(inputs: int, outputs: int, **kwargs: int) -> nn.Sequential:
        return conv_norm(inputs, outputs, eps=KERAS_EPS, activation=nn.ReLU6, **kwargs)

    layers = [layer(3, 32, stride=2)]
    channels = 32
    for outputs, stride in TRUNK:
        layers += [
            layer(channels, channels, stride=stride, groups=channels),
            layer(channels, outputs, kernel=1),
        ]
        channels = outputs
    layers.append(layer(channels, channels, groups=channels))
    return nn.Sequential(*layers)


def initialise(module: nn.Module) -> None:
    """He initialisation of convolutions by the fan-out of each group; zero biases."""
    if isinstance(module, nn.Conv2d):
        fan_out = module.weight.shape[0] // module.groups * module.weight[0, 0].numel()
        nn.init.normal_(module.weight, std=(2 / fan_out) ** 0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def build(variant: str, classes: int) -> nn.Module:
    """The network of ``variant`` for ``classes`` expressions."""
    return PAttLite(classes, variant=variant)


def anatomy(network: PAttLite) -> Anatomy:
    """The trunk's maps, 14 x 14 at 224 pixels (the patch block leaves 2 x 2), and FC2."""
    return Anatomy((Maps((network.trunk,)),), (network.classify,))
