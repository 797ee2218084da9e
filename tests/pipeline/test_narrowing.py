"""What targets have in common is measured and written once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from edgefer.pipeline.narrowing import Narrowing
from edgefer_calibration import CalibrationSet, Quantized, quantize
from edgefer_export import export_onnx
from edgefer_runtime.contract import InputContract

CONTRACT = InputContract(height=32, width=32, color="RGB", mean=(127.5,) * 3, std=(127.5,) * 3)


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=4), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.Flatten(), nn.Linear(576, 3)
    )
    path = tmp_path_factory.mktemp("float") / "float.onnx"
    return export_onnx(network, contract=CONTRACT, classes=3, output="logits", path=path)


def test_one_fp16_file_and_one_look_at_the_ranges(graph: Path, tmp_path: Path) -> None:
    faces = np.random.default_rng(0).integers(0, 256, (16, 32, 32, 3), dtype=np.uint8)
    calibration = CalibrationSet(faces, "noise", np.arange(len(faces)))
    looked: list[Any] = []

    def quantizer(*where: Any, ranges: Any) -> Quantized:
        looked.append(ranges)
        return quantize(*where, ranges=ranges)

    narrowing = Narrowing(calibration, faces, (), tmp_path, quantizer)
    assert narrowing.narrow(graph, "openvino", "fp32").path == graph
    halves = [narrowing.narrow(graph, target, "fp16") for target in ("openvino", "tensorrt")]
    assert halves[0] is halves[1]
    assert [check.name for check in halves[0].checks] == ["fp16-overflow", "fp16-underflow"]
    quantized = [narrowing.narrow(graph, target, "int8") for target in ("openvino", "tensorrt")]
    assert looked[0] is looked[1]
    assert quantized[0].path != quantized[1].path and all(each.path.exists() for each in quantized)
    other = graph.rename(tmp_path / "other.onnx")
    assert narrowing.narrow(other, "openvino", "fp16").path != halves[0].path, "another graph, another file"
