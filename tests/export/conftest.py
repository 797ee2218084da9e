"""A small real network, its export, and faces to hold it against."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgefer_export import export_onnx
from edgefer_runtime.contract import InputContract

CONTRACT = InputContract(40, 40, "RGB", (127.5, 127.5, 127.5), (127.5, 127.5, 127.5))
CLASSES = 5


class Attention(nn.Module):
    """softmax(T T^T) T over the tokens of one face, or, planted, along another axis or over the batch."""

    def __init__(self, kind: str = "tokens") -> None:
        super().__init__()
        self.kind = kind

    def forward(self, tokens: Tensor) -> Tensor:
        if self.kind == "batch":
            rows = tokens.flatten(1)
            return (torch.softmax(rows @ rows.T, dim=-1) @ rows).reshape(tokens.shape)
        axis = 1 if self.kind == "columns" else 2
        return torch.softmax(tokens @ tokens.transpose(1, 2), dim=axis) @ tokens


class Small(nn.Module):
    """Five convolutions, one of them depthwise, attention between tokens, a linear layer."""

    def __init__(self, attention: str = "tokens") -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU6(),
            nn.Conv2d(8, 8, 3, 1, 1, groups=8),
            nn.ReLU6(),
            nn.Conv2d(8, 16, 1),
            nn.ReLU(),
            nn.Conv2d(16, 16, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(16, 8, 5, 5),
            nn.ReLU(),
        )
        self.attention = Attention(attention)
        self.classify = nn.Linear(8, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.trunk(images).flatten(2).transpose(1, 2)
        logits: Tensor = self.classify(self.attention(tokens).mean(1))
        return logits


def small(attention: str = "tokens") -> nn.Module:
    """A network whose outputs differ clearly from face to face."""
    torch.manual_seed(0)
    network = Small(attention).eval()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.normal_(module.running_mean, std=0.2)
    nn.init.normal_(network.classify.weight, std=2.0)
    return network


@pytest.fixture(scope="session")
def faces() -> NDArray[np.uint8]:
    """Blobs of colour on colour: smooth, with edges, all different."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[0:56, 0:56] / 56
    images = []
    for _ in range(16):
        colours = generator.uniform(0, 255, (4, 3))
        centres = generator.uniform(0.2, 0.8, (3, 2))
        weights = [np.exp(-((rows - y) ** 2 + (columns - x) ** 2) * 30) for y, x in centres]
        image = colours[0] + sum(
            weight[..., None] * (colour - colours[0])
            for weight, colour in zip(weights, colours[1:], strict=True)
        )
        images.append(np.clip(image, 0, 255))
    return np.stack(images).astype(np.uint8)


@pytest.fixture(scope="session")
def network() -> nn.Module:
    return small()


@pytest.fixture(scope="session")
def exported(network: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network with a static batch of one."""
    path = tmp_path_factory.mktemp("static") / "small.onnx"
    return export_onnx(network, contract=CONTRACT, classes=CLASSES, output="logits", path=path)


@pytest.fixture(scope="session")
def exported_dynamic(network: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network with a dynamic batch."""
    path = tmp_path_factory.mktemp("dynamic") / "small.onnx"
    return export_onnx(network, contract=CONTRACT, classes=CLASSES, output="logits", path=path, batch=None)
