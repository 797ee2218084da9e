"""Rewrites leave the function as it is, and leave alone what does not fit them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from edgefer_export import export_onnx
from edgefer_export.passes.pad_depthwise import pad_depthwise
from edgefer_export.sessions import onnxruntime_session
from edgefer_export.targets import get

from .conftest import CLASSES, CONTRACT


def depthwise(channels: int, *, residual: bool = False, groups: int = 0) -> nn.Module:
    """Convolution, depthwise convolution, convolution; the first one read twice with ``residual``."""

    class Separable(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Sequential(nn.Conv2d(3, channels, 3), nn.BatchNorm2d(channels), nn.ReLU())
            self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=groups or channels)
            self.last = nn.Conv2d(channels, CLASSES, 1)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            maps = self.first(images)
            spread = self.depthwise(maps)
            logits: torch.Tensor = self.last(spread + maps if residual else spread).mean((2, 3))
            return logits

    torch.manual_seed(0)
    return Separable().eval()


def export(network: nn.Module, folder: Path) -> Path:
    return export_onnx(
        network, contract=CONTRACT, classes=CLASSES, output="logits", path=folder / "float.onnx"
    )


@pytest.mark.parametrize("channels", [2, 18, 33])
def test_padded_channels_change_nothing_but_the_width(
    channels: int, faces: NDArray[np.uint8], tmp_path: Path
) -> None:
    graph = export(depthwise(channels), tmp_path)
    padded = get("onnxruntime").prepare(graph, tmp_path)
    model = onnx.load(padded)
    widths = {
        tensor.name.split(".")[1]: list(tensor.dims) for tensor in model.graph.initializer if tensor.dims[1:]
    }
    width = -(-channels // 16) * 16
    assert widths["first"][0] == widths["depthwise"][0] == widths["last"][1] == width
    onnx.checker.check_model(model, full_check=True)
    before, after = (onnxruntime_session(path)(faces) for path in (graph, padded))
    assert np.abs(after - before).max() < 1e-6
    assert pad_depthwise(model) == 0, "once is enough"


@pytest.mark.parametrize(
    "network",
    [depthwise(16), depthwise(18, residual=True), depthwise(18, groups=9)],
    ids=["whole blocks already", "read elsewhere too", "grouped, not depthwise"],
)
def test_what_does_not_fit_is_left_alone(network: nn.Module, tmp_path: Path) -> None:
    graph = export(network, tmp_path)
    assert get("onnxruntime").prepare(graph, tmp_path) == graph


def test_openvino_takes_the_float_graph_as_it_is(tmp_path: Path) -> None:
    graph = export(depthwise(18), tmp_path)
    assert get("openvino").prepare(graph, tmp_path) == graph
