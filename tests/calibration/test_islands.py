"""What recipes leave in float: gates, and convolutions at the camera that are not worth INT8."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch
from torch import Tensor, nn

from edgefer.models import get
from edgefer_calibration.quantize.gates import gates
from edgefer_calibration.quantize.onnxruntime import recipe as onnxruntime_recipe
from edgefer_calibration.quantize.onnxruntime import thin_convolutions
from edgefer_calibration.quantize.openvino import recipe as openvino_recipe
from edgefer_export import export_onnx

from .conftest import CONTRACT


class Gated(nn.Module):
    """A channel gate of two layers; with ``shared`` something else reads the first of them, too."""

    def __init__(self, shared: bool) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.first, self.second = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
        self.shared = shared

    def forward(self, images: Tensor) -> Tensor:
        maps = self.stem(images)
        hidden = torch.relu(self.first(maps.mean((2, 3), keepdim=True)))
        gated = maps * torch.sigmoid(self.second(hidden))
        pooled: Tensor = gated.mean((2, 3))
        return pooled + hidden.flatten(1) if self.shared else pooled


def stem(kernel: int, *after: nn.Module) -> nn.Module:
    """A convolution at the camera and what comes after it."""
    return nn.Sequential(nn.Conv2d(3, 8, kernel), *after, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def graph(network: nn.Module, folder: Path, classes: int) -> onnx.ModelProto:
    path = folder / "float.onnx"
    export_onnx(network.eval(), contract=CONTRACT, classes=classes, output="logits", path=path)
    return onnx.load(path)


@pytest.mark.parametrize(
    ("shared", "expected"),
    [
        (False, ["first/Conv", "network/Relu", "second/Conv"]),
        (True, ["second/Conv"]),
    ],
    ids=["a gate of its own", "a layer that is more than a gate"],
)
def test_what_serves_a_gate_alone_is_of_the_gate(shared: bool, expected: list[str], tmp_path: Path) -> None:
    model = graph(Gated(shared), tmp_path, classes=4)
    assert gates(model) == openvino_recipe(model).float_islands == expected
    assert set(expected) <= set(onnxruntime_recipe(model).float_islands)


def test_every_gate_of_the_zoo_is_found(tmp_path: Path) -> None:
    model = graph(get("fcsdnet").build("max-ceil", 4), tmp_path, classes=4)
    convolutions = {name.split("/")[0] for name in gates(model) if "Conv" in name}
    assert convolutions == {
        f"features.{attention}.{layer}"
        for attention in (4, 7, 10)
        for layer in ("channel.0", "channel.2", "spatial.1")
    }


@pytest.mark.parametrize(
    ("network", "thin"),
    [
        (stem(3, nn.ReLU(), nn.Conv2d(8, 8, 1)), ["0/Conv", "1/Relu"]),
        (stem(7, nn.ReLU(), nn.Conv2d(8, 8, 1)), []),
        (stem(7, nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 1)), []),
        (stem(7, nn.MaxPool2d(2), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 1)), ["0/Conv"]),
    ],
    ids=["few products", "many products", "many products, pooled", "read in float"],
)
def test_convolutions_at_the_camera(network: nn.Module, thin: list[str], tmp_path: Path) -> None:
    assert thin_convolutions(graph(network, tmp_path, classes=8)) == thin
