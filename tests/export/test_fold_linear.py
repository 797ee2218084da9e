"""Two linear layers in a row become one that computes the same; what lies between them keeps them apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgefer.models import get
from edgefer_export import export_onnx
from edgefer_export.checks import reference
from edgefer_export.passes.fold_linear import fold_linear
from edgefer_export.sessions import onnxruntime_session

from .conftest import CLASSES, CONTRACT

WIDTH = 6


class ReadTwice(nn.Module):
    """A layer whose output something else than the next layer reads, too."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, features: Tensor) -> Tensor:
        middle = self.first(features)
        summed: Tensor = self.second(middle) + middle
        return summed


def graph(network: nn.Module) -> onnx.ModelProto:
    """``network`` on a vector, as the exporter writes it before any pass."""
    program = torch.onnx.export(network.eval(), (torch.zeros(1, WIDTH),), dynamo=True, opset_version=18)
    assert program is not None
    return program.model_proto


def run(model: onnx.ModelProto, features: NDArray[np.float32]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found: NDArray[np.float32] = session.run(None, {model.graph.input[0].name: features})[0]
    return found


@pytest.mark.parametrize("layers", [2, 3])
def test_layers_in_a_row_become_one(layers: int) -> None:
    torch.manual_seed(0)
    model = graph(nn.Sequential(*(nn.Linear(WIDTH, WIDTH) for _ in range(layers))))
    features = np.random.default_rng(0).normal(size=(1, WIDTH)).astype(np.float32)
    before = run(model, features)
    assert fold_linear(model) == layers - 1
    assert [node.op_type for node in model.graph.node] == ["Gemm"]
    assert len(model.graph.initializer) == 2
    onnx.checker.check_model(model, full_check=True)
    assert np.abs(run(model, features) - before).max() < 1e-6
    assert fold_linear(model) == 0


@pytest.mark.parametrize(
    "network",
    [
        nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH)),
        nn.Sequential(nn.Linear(WIDTH, 1), nn.Linear(1, WIDTH)),
        ReadTwice(),
        nn.Linear(WIDTH, WIDTH),
    ],
    ids=["activation between", "bottleneck", "read elsewhere too", "alone"],
)
def test_what_does_not_fit_is_left_alone(network: nn.Module) -> None:
    model = graph(network)
    before = model.SerializeToString()
    assert fold_linear(model) == 0
    assert model.SerializeToString() == before


def test_sparse_attention_is_one_layer(tmp_path: Path, faces: NDArray[np.uint8]) -> None:
    torch.manual_seed(0)
    network = get("dsan").build("full", CLASSES).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d):
            assert module.running_mean is not None and module.running_var is not None
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    path = export_onnx(
        network, contract=CONTRACT, classes=CLASSES, output="probabilities", path=tmp_path / "dsan.onnx"
    )
    model = onnx.shape_inference.infer_shapes(onnx.load(path), strict_mode=True)
    layers = [node.name for node in model.graph.node if node.name.startswith("attention")]
    assert layers == ["attention.2/Gemm", "attention.4/Relu"]
    expected = reference(network, faces, CONTRACT, "probabilities")
    assert np.abs(onnxruntime_session(path)(faces) - expected).max() < 1e-5
