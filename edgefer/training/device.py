"""In which precision a training computes, and in how many processes: Lightning Fabric as used here."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, cast

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision, Precision
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from torch import Tensor, nn

from edgefer.training.processes import Place

PrecisionName = Literal["float32", "bfloat16", "float16"]

# What Fabric tells at this level is a banner for each process.
logging.getLogger("lightning_fabric").setLevel(logging.WARNING)


def choose_precision(asked: PrecisionName | Literal["auto"], device: torch.device) -> PrecisionName:
    """``asked``, or the fastest that the device has in hardware and that trains alike.

    A GPU without bfloat16 computes in float16 with a scaled loss; a CPU without it in float32.
    """
    if asked != "auto":
        return asked
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bfloat16" if fast else "float32"


class Autocast(MixedPrecision):
    """Mixed precision by autocasting alone.

    Fabric would round inputs and votes as well, and update the loss scale once for each optimizer, whose
    later ones then unscale their gradients twice.
    """

    def convert_input(self, data: Any) -> Any:
        """``data`` as it is; each layer rounds for itself."""
        return data

    def optimizer_step(self, optimizer: Any, **kwargs: Any) -> Any:
        """A step, but for the update of the loss scale that ends it for all optimizers."""
        return self.scaler.step(optimizer, **kwargs) if self.scaler else optimizer.step(**kwargs)

    def end_step(self) -> None:
        """Adapt the loss scale after all optimizers have made their step."""
        if self.scaler:
            self.scaler.update()


class Float32(Precision):
    """No mixing."""

    def end_step(self) -> None:
        """Nothing: there is no loss scale."""


def make_fabric(place: Place, device: torch.device, precision: PrecisionName) -> Fabric:
    """Fabric for the process at ``place``, within its :func:`surroundings`."""
    mixed = {"bfloat16": "bf16-mixed", "float16": "16-mixed"}.get(precision)
    fabric = Fabric(
        accelerator=device.type,
        devices=place.devices,
        num_nodes=place.nodes,
        strategy="ddp" if place.processes > 1 else "auto",
        plugins=[LightningEnvironment(), Autocast(cast(Any, mixed), device.type) if mixed else Float32()],
    )
    fabric.launch()
    return fabric


@contextmanager
def surroundings(place: Place, device: torch.device) -> Iterator[None]:
    """What Fabric takes from the environment; afterwards that and torch's own state are as they were.

    The CPU's cores are shared out among the processes of a node.
    """
    environment, threads = dict(os.environ), torch.get_num_threads()
    if place.devices > 1 and not place.started:
        torch.set_num_threads(max(1, threads // place.devices))
    os.environ |= {
        "LOCAL_RANK": str(place.local_rank),
        "NODE_RANK": str(place.node),
        "MASTER_ADDR": place.address,
        "MASTER_PORT": str(place.port),
        "OMP_NUM_THREADS": str(torch.get_num_threads()),
    }
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            yield
    finally:
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
        torch.set_num_threads(threads)
        os.environ.clear()
        os.environ.update(environment)


class _Float32Conv2d(nn.Conv2d):
    """A convolution that autocasting leaves alone."""

    def forward(self, features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            return super().forward(features.float())


def keep_in_float32(network: nn.Module) -> None:
    """Exempt convolutions from autocasting to bfloat16 on a CPU that oneDNN handles badly.

    Depthwise ones with a stride have no fast gradient: three of PAtt-Lite's 24 convolutions take a third of
    the whole step otherwise. Dilated ones have the wrong gradient, NaN, where channels are no multiple of
    16 and come last in memory, as in LANMSFF (seen with torch 2.13).
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            strided = 1 < layer.groups == layer.in_channels and layer.stride != (1, 1)
            odd = layer.in_channels % 16 or layer.out_channels % 16
            if strided or (layer.dilation != (1, 1) and odd):
                layer.__class__ = _Float32Conv2d
