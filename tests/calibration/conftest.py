"""A float graph to quantize, exported from a small real network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgefer_calibration import CalibrationSet
from edgefer_export import export_onnx
from edgefer_runtime.contract import InputContract

CONTRACT = InputContract(32, 32, "RGB", (127.5, 127.5, 127.5), (127.5, 127.5, 127.5))


@pytest.fixture(scope="session")
def float_onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six convolutions, two of them depthwise, and a linear layer, with probabilities that differ clearly."""
    torch.manual_seed(0)
    channels, layers = 3, []
    for outputs, groups in ((8, 1), (8, 8), (16, 1), (16, 16), (16, 1), (16, 1)):
        kernel = 1 if groups == 1 and channels > 3 else 3
        layers += [
            nn.Conv2d(channels, outputs, kernel, 2 if groups > 1 else 1, kernel // 2, groups=groups),
            nn.ReLU6(),
        ]
        channels = outputs
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4)).eval()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    nn.init.normal_(network[-1].weight, std=3.0)
    path = tmp_path_factory.mktemp("float") / "float.onnx"
    return export_onnx(network, contract=CONTRACT, classes=4, output="logits", path=path)


@pytest.fixture(scope="session")
def calibration() -> CalibrationSet:
    """Forty pictures of four kinds: a gradient along either axis, up or down, in a random colour."""
    generator = np.random.default_rng(0)
    labels = np.arange(40) % 4
    ramp = np.linspace(0, 1, 48)
    images = []
    for label in labels:
        picture = np.broadcast_to(ramp[:, None] if label < 2 else ramp[None], (48, 48))
        picture = 1 - picture if label % 2 else picture
        noise = generator.normal(0, 12, (48, 48, 3))
        images.append(np.clip(picture[..., None] * generator.uniform(120, 255, 3) + noise, 0, 255))
    return CalibrationSet(np.stack(images).astype(np.uint8), "ramps", np.arange(40), labels)
