"""The exported graph: names, axes, parity of its arithmetic, and what it refuses to become."""

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

from edgefer_export import export_onnx
from edgefer_export.checks import reference
from edgefer_export.deployable import Preprocess
from edgefer_export.passes.reading import axes
from edgefer_export.sessions import onnxruntime_session
from edgefer_runtime.contract import InputContract
from edgefer_runtime.errors import CheckError, DataError, UsageError
from edgefer_runtime.preprocess import preprocess

from .conftest import CLASSES, CONTRACT


def test_axes_static_and_dynamic(exported: Path, exported_dynamic: Path) -> None:
    for path, batch in ((exported, 1), (exported_dynamic, "batch")):
        graph = onnx.load(path).graph
        assert axes(graph.input[0]) == [batch, "height", "width", 3]
        assert axes(graph.output[0]) == [batch, CLASSES]
        assert graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8


def test_nodes_bear_module_names_and_nothing_of_this_machine(exported: Path) -> None:
    names = [node.name for node in onnx.load(exported).graph.node]
    assert len(set(names)) == len(names)
    assert {"preprocess/Resize", "trunk.0/Conv", "attention/Softmax", "classify/Gemm"} <= set(names)
    assert str(Path(__file__).parents[2]).encode() not in exported.read_bytes()


def test_norm_is_folded_and_no_shape_arithmetic_is_left(exported: Path) -> None:
    kinds = {node.op_type for node in onnx.load(exported).graph.node}
    assert not kinds & {"BatchNormalization", "Shape", "Gather", "Concat", "Pad"}


def test_grey_contract_and_probabilities(tmp_path: Path, faces: NDArray[np.uint8]) -> None:
    class Brightness(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            bright = images.mean((1, 2, 3))
            return torch.stack([bright, 1 - bright], dim=1)

    contract = InputContract(24, 30, "GRAY", (0.0,), (255.0,))
    path = tmp_path / "grey.onnx"
    export_onnx(Brightness(), contract=contract, classes=2, output="probabilities", path=path)
    found = onnxruntime_session(path)(faces)
    expected = reference(Brightness(), faces, contract, "probabilities")
    assert np.abs(found - expected).max() < 1e-5
    assert "Softmax" not in {node.op_type for node in onnx.load(path).graph.node}


@settings(max_examples=40, deadline=None)
@given(
    crop=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    size=st.tuples(st.integers(2, 64), st.integers(2, 64)),
    color=st.sampled_from(["RGB", "GRAY"]),
    seed=st.integers(0, 2**31),
)
def test_preprocessing_is_the_runtimes(
    crop: tuple[int, int], size: tuple[int, int], color: str, seed: int
) -> None:
    channels = 3 if color == "RGB" else 1
    contract = InputContract(*size, color, (120.0, 110.0, 100.0)[:channels], (60.0, 70.0, 80.0)[:channels])
    images = np.random.default_rng(seed).integers(0, 256, (2, *crop, 3), dtype=np.uint8)
    found = Preprocess(contract)(torch.from_numpy(images)).numpy()
    assert np.abs(found - preprocess(images, contract)).max() * 60 < 0.02


def test_a_network_that_fixes_the_batch_is_refused(tmp_path: Path) -> None:
    class Frozen(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.classify = nn.Linear(3, CLASSES)

        def forward(self, images: Tensor) -> Tensor:
            first, second = images.mean((2, 3)).unbind(0)
            return self.classify(torch.stack([first, second]))

    path = tmp_path / "frozen.onnx"
    with pytest.raises(CheckError, match=r"cannot be traced|has"):
        export_onnx(Frozen(), contract=CONTRACT, classes=CLASSES, output="logits", path=path, batch=None)
    assert not list(tmp_path.iterdir())


def test_another_number_of_classes_is_refused(network: nn.Module, tmp_path: Path) -> None:
    with pytest.raises(CheckError) as caught:
        export_onnx(
            network, contract=CONTRACT, classes=CLASSES + 1, output="logits", path=tmp_path / "a.onnx"
        )
    assert caught.value.exit_code == 4 and f"[1, {CLASSES}]" in caught.value.found
    assert not list(tmp_path.iterdir())


def test_unknown_output_and_batch_are_usage_errors(network: nn.Module, tmp_path: Path) -> None:
    for output, batch in (("scores", 1), ("logits", 0)):
        with pytest.raises(UsageError):
            export_onnx(
                network,
                contract=CONTRACT,
                classes=CLASSES,
                output=output,
                path=tmp_path / "a.onnx",
                batch=batch,
            )


def test_an_unwritable_place_is_a_data_error(network: nn.Module, tmp_path: Path) -> None:
    (tmp_path / "a.onnx").mkdir()
    with pytest.raises(DataError, match="cannot be written"):
        export_onnx(
            network,
            contract=CONTRACT,
            classes=CLASSES,
            output="logits",
            path=tmp_path / "a.onnx",
        )
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]
