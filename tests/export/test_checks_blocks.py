"""Checks that look inside a graph: feature selection, gates, ranges; each with the fault it is for."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgefer.models.gmslpa import PatchGate
from edgefer.models.lanmsff import PWFS, ChannelShuffle, MassAtt
from edgefer_calibration import CalibrationSet, quantize
from edgefer_export import export_onnx
from edgefer_export.checks import Check, half_precision, run_checks, selection_int8
from edgefer_export.checks.attention import find_gates
from edgefer_export.checks.selection import find_blocks, selection

from .conftest import CLASSES, CONTRACT


class EquationTwo(PWFS):
    """The paper's misprint: the lowest in place of the middle."""

    def forward(self, maps: Tensor) -> Tensor:
        thirds = torch.stack(maps.chunk(3, 1))
        return (thirds.amax(0) + thirds.amin(0)) / 2


class OnlyForDistinct(PWFS):
    """Right unless the two highest are equal."""

    def forward(self, maps: Tensor) -> Tensor:
        first, second, third = maps.chunk(3, 1)
        highest = torch.maximum(torch.maximum(first, second), third)
        lowest = torch.minimum(torch.minimum(first, second), third)
        rest = [torch.where(each == highest, lowest, each) for each in (first, second, third)]
        middle = torch.maximum(torch.maximum(rest[0], rest[1]), rest[2])
        return (highest + middle) / 2


class UnhalvedGate(MassAtt):
    """The sum of both gates, which reaches two."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps * (self.channel_gate(maps) + self.spatial_gate(maps))


class Blocks(nn.Module):
    """Convolution, shuffle, mass attention, feature selection."""

    def __init__(self, select: nn.Module, gate: type[MassAtt]) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 24, 5, 5), nn.ReLU())
        self.shuffle = ChannelShuffle(24)
        self.attend = gate(24)
        self.select = select
        self.classify = nn.Linear(8, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.attend(self.shuffle(self.trunk(images)))
        logits: Tensor = self.classify(self.select(maps).mean((2, 3)))
        return logits


def blocks(select: nn.Module | None = None, gate: type[MassAtt] = MassAtt) -> nn.Module:
    torch.manual_seed(0)
    network = Blocks(select or PWFS(), gate).eval()
    nn.init.normal_(network.classify.weight, std=4.0)
    return network


def graph_of(network: nn.Module, folder: Path) -> Path:
    path = folder / "blocks.onnx"
    return export_onnx(network, contract=CONTRACT, classes=CLASSES, output="logits", path=path)


def failed(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks if not check.passed}


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return graph_of(blocks(), tmp_path_factory.mktemp("blocks"))


def test_honest_blocks_pass(graph: Path, faces: NDArray[np.uint8]) -> None:
    checks = run_checks(blocks(), graph, faces, contract=CONTRACT, selections=["select"])
    assert not failed(checks)
    assert {"selection", "gates", "adversarial-parity/openvino"} <= {check.name for check in checks}
    (gates,) = [check for check in checks if check.name == "gates"]
    assert gates.detail.endswith("farthest in attend, of the gates in attend")


@pytest.mark.parametrize(("select", "kinds"), [(EquationTwo(), ""), (OnlyForDistinct(), "ties|equal maps")])
def test_a_selection_that_is_not_the_definition(
    select: nn.Module, kinds: str, faces: NDArray[np.uint8], tmp_path: Path
) -> None:
    network = blocks(select)
    guilty = failed(
        run_checks(network, graph_of(network, tmp_path), faces, contract=CONTRACT, selections=["select"])
    )
    assert set(guilty) == {"selection"}, "the graph is the network's, so nothing else can tell"
    assert re.search(f"worst in select at .*, on ({kinds})", guilty["selection"].detail)


def test_a_gate_that_is_resized_by_the_size_of_what_it_gates(
    faces: NDArray[np.uint8], tmp_path: Path
) -> None:
    class Local(Blocks):
        """A patch gate in front of the rest."""

        def __init__(self) -> None:
            super().__init__(PWFS(), MassAtt)
            self.patch = PatchGate()

        def forward(self, images: Tensor) -> Tensor:
            logits: Tensor = super().forward(self.patch(images))
            return logits

    model = onnx.load(graph_of(Local().eval(), tmp_path))
    assert {gate.module for gate in find_gates(model)} == {"patch", "attend"}


def test_a_selection_that_the_graph_has_lost(graph: Path, faces: NDArray[np.uint8]) -> None:
    (check,) = selection(onnx.load(graph), ["select", "choose"], faces)
    assert not check.passed and "no such block in choose" in check.detail


def test_a_shuffle_drawn_at_random(graph: Path, faces: NDArray[np.uint8]) -> None:
    redrawn = blocks()
    redrawn.shuffle.order = torch.from_numpy(np.random.default_rng(0).permutation(24))
    guilty = failed(run_checks(redrawn, graph, faces, contract=CONTRACT))
    for engine in ("onnxruntime", "openvino"):
        assert "the first that differs is module 'shuffle'" in guilty[f"parity/{engine}"].detail


def test_a_gate_that_amplifies(faces: NDArray[np.uint8], tmp_path: Path) -> None:
    network = blocks(gate=UnhalvedGate)
    guilty = failed(run_checks(network, graph_of(network, tmp_path), faces, contract=CONTRACT))
    assert set(guilty) == {"gates"} and "attend" in guilty["gates"].detail
    assert 0.01 < guilty["gates"].measured <= 1


@pytest.mark.parametrize(("factor", "row"), [(1e6, "fp16-overflow"), (1e-8, "fp16-underflow")])
def test_weights_beyond_float16(
    factor: float, row: str, graph: Path, faces: NDArray[np.uint8], tmp_path: Path
) -> None:
    honest = onnx.load(graph)
    assert not failed(half_precision(honest, faces[:2]))
    network = copy.deepcopy(blocks())
    with torch.no_grad():
        network.trunk[0].weight.mul_(factor)
        network.classify.weight.mul_(1 if row == "fp16-underflow" else 1 / factor)
    model = onnx.load(graph_of(network, tmp_path))
    guilty = failed(half_precision(model, faces[:2]))
    assert row in guilty and "trunk.0" in guilty[row].detail
    every_module = {node.name.split("/")[0] for node in model.graph.node} - {"probabilities"}
    assert row not in failed(half_precision(model, faces[:2], kept=every_module))


def test_an_activation_beyond_float16_on_one_face_only(graph: Path, faces: NDArray[np.uint8]) -> None:
    model = onnx.load(graph)
    for tensor in model.graph.initializer:
        if tensor.name == "network.trunk.0.weight":
            values = onnx.numpy_helper.to_array(tensor) * 0 + np.float32(1000)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    crops = np.full((2, 40, 40, 3), 127, np.uint8)
    assert "fp16-overflow" not in failed(half_precision(model, crops))
    crops[1] = 255
    assert "fp16-overflow" in failed(half_precision(model, crops))


def test_what_int8_costs_a_selection(graph: Path, faces: NDArray[np.uint8], tmp_path: Path) -> None:
    model = onnx.load(graph)
    ranges = CalibrationSet(faces, "blobs", np.arange(len(faces)))
    quantized = onnx.load(quantize("openvino", graph, ranges, tmp_path / "int8.onnx").path)
    (check,) = selection_int8(model, quantized, ["select"], faces)
    assert check.passed and check.measured > 0
    (block,) = find_blocks(model, ["select"])
    lost = copy.deepcopy(quantized)
    node = next(node for node in lost.graph.node if block.output in node.output)
    node.op_type = "Mul"  # by two, where it divided
    (check,) = selection_int8(model, lost, ["select"], faces)
    assert not check.passed and block.output in check.detail
