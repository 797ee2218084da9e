"""Two 1x1 convolutions of joined channels, added, become one that computes the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from edgefer.models import get
from edgefer_export import export_onnx
from edgefer_export.checks import reference
from edgefer_export.passes.merge_pointwise import merge_pointwise
from edgefer_export.sessions import onnxruntime_session

from .conftest import CLASSES, CONTRACT
from .test_fold_linear import run

CHANNELS = 3


class Pair(nn.Module):
    """Convolutions of two concatenations, added.

    Args:
        first, second: the convolutions.
        joined: whether the second one reads a concatenation.
        read_twice: whether something else than the sum reads the first one's output.
    """

    def __init__(
        self, first: nn.Conv2d, second: nn.Conv2d, *, joined: bool = True, read_twice: bool = False
    ) -> None:
        super().__init__()
        self.first, self.second, self.joined, self.read_twice = first, second, joined, read_twice

    def forward(self, features: Tensor) -> Tensor:
        left = self.first(torch.cat([features.relu(), features.sigmoid()], 1))
        other = torch.cat([features.tanh(), features], 1) if self.joined else features.repeat(1, 2, 1, 1)
        summed: Tensor = left + self.second(other)
        return summed + left.relu() if self.read_twice else summed


def conv(outputs: int = 4, **kind: int) -> nn.Conv2d:
    return nn.Conv2d(2 * CHANNELS, outputs, **{"kernel_size": 1, **kind})  # type: ignore[arg-type]


def graph(network: nn.Module) -> onnx.ModelProto:
    """``network`` on a map, as the exporter writes it before any pass."""
    example = torch.zeros(1, CHANNELS, 6, 6)
    program = torch.onnx.export(network.eval(), (example,), dynamo=True, opset_version=18)
    assert program is not None
    return program.model_proto


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 1000), outputs=st.integers(1, 9))
def test_the_function_stays(seed: int, outputs: int) -> None:
    torch.manual_seed(seed)
    model = graph(Pair(conv(outputs), conv(outputs)))
    features = np.random.default_rng(seed).normal(size=(1, CHANNELS, 6, 6)).astype(np.float32)
    before = run(model, features)
    assert merge_pointwise(model) == 1
    assert [node.op_type for node in model.graph.node].count("Conv") == 1
    assert "Add" not in [node.op_type for node in model.graph.node]
    onnx.checker.check_model(model, full_check=True)
    assert np.abs(run(model, features) - before).max() < 1e-5
    assert merge_pointwise(model) == 0


@pytest.mark.parametrize(
    "network",
    [
        Pair(conv(), conv(), joined=False),
        Pair(conv(), conv(), read_twice=True),
        Pair(conv(), conv(kernel_size=3, padding=1)),
        Pair(conv(), conv(groups=2)),
        Pair(conv(), conv(outputs=1)),
        Pair(conv(stride=2), conv(stride=2)),
    ],
    ids=["nothing joined", "read elsewhere too", "3 x 3", "grouped", "broadcast", "stride 2"],
)
def test_what_does_not_fit_is_left_alone(network: nn.Module) -> None:
    model = graph(network)
    before = model.SerializeToString()
    assert merge_pointwise(model) == 0
    assert model.SerializeToString() == before


def test_a_multi_scale_unit_ends_in_one_convolution(tmp_path: Path, faces: NDArray[np.uint8]) -> None:
    torch.manual_seed(0)
    network = get("gmslpa").build("full", CLASSES).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):  # One that learned nothing is folded without a bias.
            nn.init.uniform_(module.bias, -0.1, 0.1)
    contract = replace(CONTRACT, height=64, width=64)
    path = export_onnx(
        network, contract=contract, classes=CLASSES, output="probabilities", path=tmp_path / "gmslpa.onnx"
    )
    names = [node.name for node in onnx.load(path).graph.node if "expand" in node.name]
    assert len(names) == 4 and all("expand_positive" in name or "expand_negative" in name for name in names)
    expected = reference(network, faces, contract, "probabilities")
    assert np.abs(onnxruntime_session(path)(faces) - expected).max() < 1e-5
