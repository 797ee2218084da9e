"""Where a network computes. Apart from what trains it: opening Fabric takes longer than evaluating a face."""

from __future__ import annotations

from typing import Literal

import torch

from edgefer.training.processes import Place
from edgefer_runtime.errors import DeviceError

Accelerator = Literal["auto", "cpu", "cuda"]


def choose_device(accelerator: Accelerator, place: Place = Place()) -> torch.device:  # noqa: B008
    """The device at ``place`` that ``accelerator`` means; ``auto`` is CUDA where there is one.

    Raises:
        DeviceError: CUDA was asked for and is not there, or on fewer devices than the place counts.
    """
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if accelerator == "cpu" or (accelerator == "auto" and not found):
        return torch.device("cpu")
    if found < place.devices:
        raise DeviceError(
            f"torch sees {found or 'no'} CUDA device{'s' * (found > 1)}",
            expected=f"{place.devices} NVIDIA GPU{'s' * (place.devices > 1)} and a torch built for it",
            action="train with `--accelerator cpu` or fewer --devices, or see `edgefer doctor`",
        )
    return torch.device("cuda", place.local_rank)
