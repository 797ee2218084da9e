"""Predictions of a float network: the reference that every engine is compared with."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from edgefer_runtime.contract import InputContract
from edgefer_runtime.images import Images
from edgefer_runtime.preprocess import BT601


def predict(
    network: nn.Module,
    contract: InputContract,
    images: Images,
    *,
    batch_size: int | None = None,
    device: torch.device | str = "cpu",
    output: Literal["logits", "probabilities"] = "logits",
) -> NDArray[np.float32]:
    """Class probabilities of face crops.

    Args:
        network: in evaluation mode and on ``device``.
        contract: what it takes.
        images: uint8, N x H x W x 3, RGB.
        batch_size: faces computed at once; the result does not depend on it. None means 128, but 8 on a
            CPU: so few stay in its cache, and take half the time a face that 64 take.
        device: where to compute.
        output: what the network returns.

    Returns:
        float32, N x K.
    """
    parts, batch_size = [], batch_size or (8 if torch.device(device).type == "cpu" else 128)
    with torch.inference_mode():
        for start in range(0, len(images), batch_size):
            crops = torch.from_numpy(np.ascontiguousarray(images[start : start + batch_size])).to(device)
            inputs = preprocess(crops, contract).contiguous(memory_format=torch.channels_last)
            result = network(inputs)
            parts.append((result.softmax(1) if output == "logits" else result).float().cpu())
    return torch.cat(parts).numpy()


def preprocess(images: Tensor, contract: InputContract) -> Tensor:
    """Network input from crops: uint8 N x H x W x 3 -> float32 N x C x H' x W', resized and normalised."""
    pixels = images.permute(0, 3, 1, 2).float()
    size = (contract.height, contract.width)
    return normalize(F.interpolate(pixels, size, mode="bilinear", align_corners=False), contract)


def normalize(pixels: Tensor, contract: InputContract) -> Tensor:
    """The contract's colours and range: N x 3 x H x W in 0..255 -> N x C x H x W."""
    if contract.color == "GRAY":
        pixels = (pixels * pixels.new_tensor(BT601).view(3, 1, 1)).sum(1, keepdim=True)
    mean = pixels.new_tensor(contract.mean).view(-1, 1, 1)
    std = pixels.new_tensor(contract.std).view(-1, 1, 1)
    return (pixels - mean) / std
