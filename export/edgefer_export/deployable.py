"""The network as a robot runs it: face crops in, probabilities out, preprocessing inside."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgefer_runtime.contract import InputContract
from edgefer_runtime.preprocess import BT601


class Preprocess(nn.Module):
    """:func:`edgefer_runtime.preprocess.preprocess` written in operators that every engine has.

    Colour and normalisation come before the resize rather than after it. Interpolation weights sum to one,
    so the result is the same to float rounding; a face crop is as a rule smaller than the network's input,
    so there are fewer pixels to touch.

    Shapes: uint8 N x H x W x 3 -> float32 N x C x ``contract.height`` x ``contract.width``.
    """

    luma: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, contract: InputContract) -> None:
        super().__init__()
        self.size = (contract.height, contract.width)
        self.grey = contract.color == "GRAY"
        self.register_buffer("luma", torch.from_numpy(BT601.copy())[:, None])
        self.register_buffer("mean", torch.tensor(contract.mean)[:, None, None])
        self.register_buffer("std", torch.tensor(contract.std)[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        """Network input of ``images``."""
        pixels = (images.float() @ self.luma if self.grey else images).permute(0, 3, 1, 2).float()
        normalised = (pixels - self.mean) / self.std
        return F.interpolate(
            normalised, size=self.size, mode="bilinear", align_corners=False, antialias=False
        )


class Deployable(nn.Module):
    """Preprocessing, network and softmax in one module.

    Args:
        network: maps float32 N x C x H x W to logits or probabilities N x K.
        contract: what the network takes.
        output: ``"logits"``, or ``"probabilities"`` when the network ends in them itself.

    Shapes: uint8 N x H x W x 3, any H and W -> float32 probabilities N x K.
    """

    def __init__(self, network: nn.Module, contract: InputContract, output: str) -> None:
        super().__init__()
        self.preprocess = Preprocess(contract)
        self.network = network
        self.probabilities = nn.Identity() if output == "probabilities" else nn.Softmax(dim=1)

    def forward(self, images: Tensor) -> Tensor:
        """Probabilities of ``images``."""
        probabilities: Tensor = self.probabilities(self.network(self.preprocess(images)))
        return probabilities
