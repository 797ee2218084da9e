"""Two branches through the same layers, added, become one branch that computes the same."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from edgefer.models import get
from edgefer_export.passes.merge_twins import merge_twins

from .conftest import CLASSES
from .test_fold_linear import run

CHANNELS = 6


class Gate(nn.Module):
    """A channel gate of means and maxima.

    Args:
        layers: what both go through.
        others: what the maxima go through instead, if anything.
        whole: whether the vectors are of whole maps, not of each row.
        read_twice: whether the means' layers are read by something else than the sum.
    """

    def __init__(
        self,
        layers: nn.Module,
        others: nn.Module | None = None,
        *,
        whole: bool = True,
        read_twice: bool = False,
    ) -> None:
        super().__init__()
        self.layers, self.others = layers, others or layers
        self.axes, self.read_twice = ((2, 3) if whole else (3,)), read_twice

    def forward(self, features: Tensor) -> Tensor:
        means = self.layers(features.mean(self.axes, keepdim=True))
        gate = torch.sigmoid(means + self.others(features.amax(self.axes, keepdim=True)))
        return features * gate + means if self.read_twice else features * gate


def layers(inner: int = 3, **kind: int) -> nn.Sequential:
    kinds = {"kernel_size": 1, **kind}
    return nn.Sequential(
        nn.Conv2d(CHANNELS, inner, **kinds),  # type: ignore[arg-type]
        nn.ReLU(),
        nn.Conv2d(inner, CHANNELS, **kinds),  # type: ignore[arg-type]
    )


def graph(network: nn.Module) -> onnx.ModelProto:
    """``network`` on a map, as the exporter writes it before any pass."""
    from edgefer_export.passes import name_nodes

    example = torch.zeros(1, CHANNELS, 5, 4)
    program = torch.onnx.export(network.eval(), (example,), dynamo=True, opset_version=18)
    assert program is not None
    name_nodes(program.model_proto)
    return program.model_proto


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 1000), inner=st.integers(1, 9))
def test_the_function_stays(seed: int, inner: int) -> None:
    torch.manual_seed(seed)
    model = graph(Gate(layers(inner)))
    features = np.random.default_rng(seed).normal(size=(1, CHANNELS, 5, 4)).astype(np.float32)
    before = run(model, features)
    assert merge_twins(model) == 1
    kinds = [node.op_type for node in model.graph.node]
    assert (kinds.count("Conv"), kinds.count("Relu"), kinds.count("Add")) == (2, 1, 0)
    onnx.checker.check_model(model, full_check=True)
    assert np.abs(run(model, features) - before).max() < 1e-6
    assert merge_twins(model) == 0


@pytest.mark.parametrize(
    "network",
    [
        Gate(layers(), layers()),
        Gate(layers(), read_twice=True),
        Gate(layers(), whole=False),
        Gate(layers(kernel_size=3, padding=1)),
        Gate(layers(3, groups=3)),
        Gate(nn.Sequential(*layers(CHANNELS)[:2])),
    ],
    ids=["other layers", "read elsewhere too", "a vector a row", "3 x 3", "grouped", "one layer"],
)
def test_what_does_not_fit_is_left_alone(network: nn.Module) -> None:
    model = graph(network)
    before = model.SerializeToString()
    assert merge_twins(model) == 0
    assert model.SerializeToString() == before


def test_each_gate_of_fcsdnet_goes_through_its_layers_once() -> None:
    fcsdnet = get("fcsdnet")
    network = fcsdnet.build(fcsdnet.default_variant, CLASSES).eval()
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.bias is not None:  # The exporter leaves zeros out.
            nn.init.uniform_(module.bias, -0.1, 0.1)
    program = torch.onnx.export(network, (torch.zeros(1, 3, 100, 100),), dynamo=True, opset_version=18)
    assert program is not None
    model = program.model_proto
    gates = sum(node.op_type == "Sigmoid" for node in model.graph.node) // 2
    assert merge_twins(model) == gates > 0
