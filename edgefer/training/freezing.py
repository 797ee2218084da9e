"""What of a network learns in a stage, and how the rest behaves meanwhile.

A network is a trunk, which may bring weights from elsewhere, and the head that follows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from edgefer.training.recipe import Stage
from edgefer_runtime.errors import DataError

TRUNKS = ("trunk", "features", "blocks")
"""What the networks of the zoo call their trunk."""


def freeze(network: nn.Module, stage: Stage) -> None:
    """Let those weights require gradients that learn in ``stage``, and no others."""
    network.requires_grad_(True)
    trunk = find_trunk(network)
    if stage.trainable != "all":
        trunk.requires_grad_(False)
        if stage.trainable != "head":
            for layer in last_layers(trunk, stage.trainable):
                layer.requires_grad_(True)
    if stage.frozen_norms:
        for norm in _norms(trunk):
            norm.requires_grad_(False)


def train_mode(network: nn.Module, stage: Stage) -> None:
    """Training mode, with the stage's dropouts.

    A frozen normalisation uses the statistics it has, as in Keras: what follows it was learnt with these.

    Raises:
        DataError: the stage names a dropout that the network does not have.
    """
    network.train()
    for norm in _norms(network):
        if norm.affine and not norm.weight.requires_grad:
            norm.eval()
    layers = {name: each for name, each in network.named_modules() if isinstance(each, _DropoutNd)}
    rates = stage.dropout if isinstance(stage.dropout, Mapping) else dict.fromkeys(layers, stage.dropout)
    if unknown := rates.keys() - layers.keys():
        raise DataError(
            f"the network has no dropout called {', '.join(sorted(unknown))}",
            expected=", ".join(layers) or "a network with dropouts",
            action="correct the recipe's dropout",
        )
    for name, layer in layers.items():
        own = layer.__dict__.setdefault("own_rate", layer.p)
        rate = rates.get(name)
        layer.p = own if rate is None else rate


def find_trunk(network: nn.Module) -> nn.Module:
    """The network without its head."""
    return next(child for name, child in network.named_children() if name in TRUNKS)


def last_layers(trunk: nn.Module, count: int) -> list[nn.Module]:
    """The last ``count`` layers of a trunk, counted as Keras counts those of its MobileNet.

    There, the input and the padding before each convolution with a stride are layers too.
    """
    layers: list[nn.Module] = [nn.Identity()]
    for layer in trunk.modules():
        if not list(layer.children()):
            if isinstance(layer, nn.Conv2d) and layer.stride != (1, 1):
                layers.append(nn.Identity())
            layers.append(layer)
    return layers[-count:]


def _norms(network: nn.Module) -> Iterator[_BatchNorm]:
    return (layer for layer in network.modules() if isinstance(layer, _BatchNorm))
