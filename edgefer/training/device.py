"""Where a training computes, and in which precision."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from edgefer_runtime.errors import DeviceError

Accelerator = Literal["auto", "cpu", "cuda"]


def choose_device(accelerator: Accelerator) -> torch.device:
    """The device meant by ``accelerator``; ``auto`` is CUDA where there is one.

    Raises:
        DeviceError: CUDA was asked for and is not there.
    """
    if accelerator == "cuda" and not torch.cuda.is_available():
        raise DeviceError(
            "torch sees no CUDA device",
            expected="an NVIDIA GPU and a torch built for it",
            action="train with `--accelerator cpu`, or see `edgefer doctor`",
        )
    wants_cuda = accelerator == "cuda" or (accelerator == "auto" and torch.cuda.is_available())
    return torch.device("cuda" if wants_cuda else "cpu")


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 in hardware."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def keep_strided_depthwise_in_float32(network: nn.Module) -> None:
    """Exempt depthwise convolutions with a stride from bfloat16 autocasting on a CPU.

    oneDNN has no fast bfloat16 gradient for them: three of PAtt-Lite's 24 convolutions take a third of
    the whole step otherwise.
    """

    def widen(_: nn.Module, inputs: tuple[Any, ...]) -> Tensor:
        features: Tensor = inputs[0]
        return features.float()

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d) and 1 < layer.groups == layer.in_channels and layer.stride != (1, 1):
            layer.register_forward_pre_hook(widen)
            layer.forward = torch.autocast("cpu", enabled=False)(layer.forward)  # type: ignore[method-assign]
