"""A layer whose outputs for two inputs are added becomes one on their sum, and computes the same."""

from __future__ import annotations

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
from edgefer_export.passes.sum_first import sum_first
from edgefer_export.sessions import onnxruntime_session

from .conftest import CLASSES, CONTRACT
from .test_fold_linear import run
from .test_merge_pointwise import CHANNELS, graph


class Shared(nn.Module):
    """A convolution of two things, added.

    Args:
        layer: the convolution.
        other: of the second thing, if another one.
        read_twice: whether something else than the sum reads the first output.
        kept: whether the layer is used once more, elsewhere.
    """

    def __init__(
        self,
        layer: nn.Conv2d,
        other: nn.Conv2d | None = None,
        *,
        read_twice: bool = False,
        kept: bool = False,
    ) -> None:
        super().__init__()
        self.layer, self.other = layer, other or layer
        self.read_twice, self.kept = read_twice, kept

    def forward(self, features: Tensor) -> Tensor:
        left = self.layer(features.relu())
        summed: Tensor = torch.sigmoid(left + self.other(features.tanh()))
        if self.read_twice:
            return summed + left.relu()
        return summed * self.layer(features) if self.kept else summed


def conv(bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=bias)


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 1000), bias=st.booleans(), kept=st.booleans())
def test_the_function_stays(seed: int, bias: bool, kept: bool) -> None:
    torch.manual_seed(seed)
    model = graph(Shared(conv(bias), kept=kept))
    features = np.random.default_rng(seed).normal(size=(1, CHANNELS, 6, 6)).astype(np.float32)
    before = run(model, features)
    assert sum_first(model) == 1
    assert [node.op_type for node in model.graph.node].count("Conv") == 1 + kept
    assert len(model.graph.initializer) == 1 + bias + (bias and kept)
    onnx.checker.check_model(model, full_check=True)
    assert np.abs(run(model, features) - before).max() < 1e-5
    assert sum_first(model) == 0


@pytest.mark.parametrize(
    "network",
    [Shared(conv(), conv()), Shared(conv(), read_twice=True)],
    ids=["two layers", "read elsewhere too"],
)
def test_what_does_not_fit_is_left_alone(network: nn.Module) -> None:
    model = graph(network)
    before = model.SerializeToString()
    assert sum_first(model) == 0
    assert model.SerializeToString() == before


def test_a_gate_ends_in_one_layer(tmp_path: Path, faces: NDArray[np.uint8]) -> None:
    torch.manual_seed(0)
    network = get("fcsdnet").build("max-ceil", CLASSES).eval()
    path = export_onnx(
        network, contract=CONTRACT, classes=CLASSES, output="logits", path=tmp_path / "fcsdnet.onnx"
    )
    names = [node.name for node in onnx.load(path).graph.node if ".channel.2/" in node.name]
    assert names == [f"features.{index}.channel.2/Conv" for index in (4, 7, 10)]
    expected = reference(network, faces, CONTRACT, "logits")
    assert np.abs(onnxruntime_session(path)(faces[:1]) - expected[:1]).max() < 1e-5
