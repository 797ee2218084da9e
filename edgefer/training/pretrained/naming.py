"""What published backbones call their weights, and where edgefer's networks have the same ones.

ResNets are named as in torchvision, which timm follows: conv1, bn1, layer1.0.conv1, layer2.0.downsample.0.
MobileNetV1 is named as in Keras: conv1, conv1_bn, conv_dw_1, conv_dw_1_bn, conv_pw_1; timm's names for it
(conv_stem, blocks.1.0.conv_dw) are translated.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from edgefer.models.specs import IMAGENET_MEAN, IMAGENET_STD

IMAGENET = IMAGENET_MEAN, IMAGENET_STD
"""Mean and standard deviation on the 0..255 scale: what torchvision's weights were trained with."""

SYMMETRIC = (127.5,) * 3, (127.5,) * 3
"""-1..1: what both published MobileNetV1s were trained with."""


@dataclass(frozen=True)
class Naming:
    """A way of naming a backbone.

    Attributes:
        title: whose it is.
        landmark: a weight that only it has; what stands before it in a file is a wrapper's prefix.
        normalisation: mean and standard deviation that the weights were trained with, 0..255 scale.
        epsilon: of the batch normalisations.
        note: what else differs from edgefer's network; empty for nothing.
    """

    title: str
    landmark: str
    normalisation: tuple[tuple[float, ...], tuple[float, ...]]
    epsilon: float
    note: str = ""

    def prefix(self, names: Iterable[str]) -> str | None:
        """What wrappers (``module.``, ``model.``) put before the names of a file; None for another naming."""
        found = [name for name in names if f".{name}".endswith(f".{self.landmark}")]
        return min(found, key=len).removesuffix(self.landmark) if found else None

    def standard(self, name: str) -> str:
        """The name of the module's first paragraph for ``name`` in a file of this naming."""
        return _from_timm(name) if self is TIMM_MOBILENET else name


RESNET = Naming("torchvision", "layer1.0.conv1.weight", IMAGENET, 1e-5)
TIMM_MOBILENET = Naming("timm", "blocks.0.0.conv_dw.weight", SYMMETRIC, 1e-5)
KERAS_MOBILENET = Naming(
    "Keras",
    "conv_dw_1.weight",
    SYMMETRIC,
    1e-3,
    "Keras pads strided layers right and below, edgefer on all sides: features move by up to 15 pixels of "
    "the input, which fine-tuning has to absorb",
)


class Backbone(NamedTuple):
    """What a network's trunk is a part of, and the namings it is published in."""

    title: str
    namings: tuple[Naming, ...]


BACKBONES: Mapping[str, Backbone] = {
    "pattlite": Backbone("MobileNetV1 of width 1", (KERAS_MOBILENET, TIMM_MOBILENET)),
    "dsan": Backbone("ResNet-18", (RESNET,)),
    "gmslpa": Backbone("ResNet-50, or ResNet-18 for the variants of that name", (RESNET,)),
}
"""Of the models that have one."""

TRUNK = "trunk."
"""What names of weights begin with that every file for the network must have."""


class Place(NamedTuple):
    """Where units of a ResNet are in a network: how they are called, and what their stages count from."""

    unit: re.Pattern[str]
    first: int


_STAGE, _HALF = r"\.(?P<stage>\d)\.(?P<unit>\d+)\.", r"\.(?P<half>[01])"
RESNET_PLACES = (
    Place(re.compile(rf"trunk{_STAGE}(?:body\.(?P<conv>\d)|shortcut){_HALF}"), 0),
    Place(re.compile(rf"local\.networks\.\d{_STAGE}(?:body\.0\.(?P<conv>\d)|shortcut){_HALF}"), 3),
    Place(re.compile(rf"whole{_STAGE}(?:body\.(?P<conv>0)|shortcut){_HALF}"), 3),
)
"""DSAN's and GMS-LPA's: the trunk, the local networks beyond it, and of the multi-scale units the shortcut
and the first convolution, which are those of a plain unit."""


def published_name(model: str, name: str) -> str | None:
    """What the published backbone calls a weight of ``model``; None for what it does not have."""
    layer, _, field = name.rpartition(".")
    if field == "num_batches_tracked":
        return None
    published = _mobilenet_layer(layer) if model == "pattlite" else _resnet_layer(layer)
    return published and f"{published}.{field}"


def _mobilenet_layer(layer: str) -> str | None:
    matched = re.fullmatch(r"trunk\.(\d+)\.([01])", layer)
    if matched is None:
        return None
    number = int(matched[1])
    kind = "dw" if number % 2 else "pw"
    convolution = f"conv_{kind}_{(number + 1) // 2}" if number else "conv1"
    return convolution + ("_bn" if matched[2] == "1" else "")


def _resnet_layer(layer: str) -> str | None:
    if layer in ("trunk.0.0.0", "trunk.0.0.1"):
        return "bn1" if layer.endswith("1") else "conv1"
    for place in RESNET_PLACES:
        if matched := place.unit.fullmatch(layer):
            unit = f"layer{place.first + int(matched['stage'])}.{matched['unit']}"
            if matched["conv"] is None:
                return f"{unit}.downsample.{matched['half']}"
            return f"{unit}.{('conv', 'bn')[int(matched['half'])]}{int(matched['conv']) + 1}"
    return None


def _from_timm(name: str) -> str:
    """Keras' name of a weight of timm's MobileNetV1; any other name stays."""
    name = re.sub(r"^conv_stem\.", "conv1.", re.sub(r"^bn1\.", "conv1_bn.", name))
    matched = re.fullmatch(r"blocks\.(\d)\.(\d)\.(conv_dw|bn1|conv_pw|bn2)\.(\w+)", name)
    if matched is None:
        return name
    stage, unit, layer, field = matched.groups()
    number = (1, 2, 4, 6, 12)[int(stage)] + int(unit)
    kinds = {"conv_dw": "dw_{}", "bn1": "dw_{}_bn", "conv_pw": "pw_{}", "bn2": "pw_{}_bn"}
    return f"conv_{kinds[layer].format(number)}.{field}"


RESNETS: Mapping[tuple[str, tuple[int, ...]], str] = {
    ("basic", (2, 2, 2, 2)): "ResNet-18",
    ("basic", (3, 4, 6, 3)): "ResNet-34",
    ("bottleneck", (3, 4, 6, 3)): "ResNet-50",
    ("bottleneck", (3, 4, 23, 3)): "ResNet-101",
    ("bottleneck", (3, 8, 36, 3)): "ResNet-152",
}

STRANGERS = (
    ("conv_pwl.", "a MobileNetV2 or EfficientNet of timm's"),
    ("features.1.conv.", "a MobileNetV2 of torchvision's"),
    ("block_1_expand", "a MobileNetV2 of Keras'"),
    ("conv2_block1_", "a ResNet or DenseNet of Keras'"),
    ("/vars.0", "weights that Keras 3 saved, which do not name their layers"),
    (".attn.", "a transformer"),
    ("trunk.0.", "a checkpoint of edgefer's own"),
    ("features.0.weight", "a VGG or AlexNet"),
)
"""Parts of names, and what has them."""


def describe(tensors: Mapping[str, Tensor]) -> str:
    """What architecture a file with these names and shapes looks like."""
    for part, title in STRANGERS:
        if any(part in name for name in tensors):
            return title
    for naming in (KERAS_MOBILENET, TIMM_MOBILENET):
        if (prefix := naming.prefix(tensors)) is not None:
            return f"MobileNetV1 of width {tensors[prefix + naming.landmark].shape[0] / 32:g}"
    if (prefix := RESNET.prefix(tensors)) is not None:
        return _describe_resnet({name.removeprefix(prefix): value for name, value in tensors.items()})
    return f"something else, with {len(tensors)} tensors such as {next(iter(tensors))}"


def _describe_resnet(tensors: Mapping[str, Tensor]) -> str:
    kind = "bottleneck" if "layer1.0.conv3.weight" in tensors else "basic"
    units = [re.fullmatch(r"layer([1-4])\.\d+\.conv1\.weight", name) for name in tensors]
    stages = [matched[1] for matched in units if matched]
    counts = tuple(stages.count(str(stage)) for stage in range(1, 5))
    title = RESNETS.get((kind, counts), f"a ResNet of {counts} {kind} units")
    second = tensors.get("layer1.0.conv2.weight")
    return title if second is not None and second.shape == (64, 64, 3, 3) else f"a wide or grouped {title}"
