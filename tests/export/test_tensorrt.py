"""TensorRT without a GPU: plans built, graphs proven, refusals named, and nothing passed off as a plan's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from torch import nn

from edgefer_calibration import CalibrationSet, quantize
from edgefer_export.certificate import require
from edgefer_export.checks import check_engine, check_graph, reference
from edgefer_export.checks.operators import built_by_tensorrt_rtx
from edgefer_export.passes.split_preprocessing import split_preprocessing
from edgefer_export.sessions import onnxruntime_session
from edgefer_export.targets import get
from edgefer_runtime.engines.tensorrt_build import MODULES, installed
from edgefer_runtime.errors import CheckError, MissingError, UsageError
from edgefer_runtime.files import copy_hashed
from edgefer_runtime.preprocess import preprocess

from .conftest import CONTRACT

rtx = pytest.mark.skipif(not installed("tensorrt-rtx"), reason="tensorrt-rtx is not installed")


@pytest.fixture(scope="module")
def quantized(exported: Path, faces: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("int8") / "small.onnx"
    return quantize("tensorrt-rtx", exported, CalibrationSet(faces, "blobs", np.arange(len(faces))), out).path


@pytest.fixture(scope="module")
def expected(network: nn.Module, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
    return reference(network, faces, CONTRACT, "logits")


def test_the_runtimes_preprocessing_takes_the_place_of_the_graphs(
    exported: Path, exported_dynamic: Path, faces: NDArray[np.uint8]
) -> None:
    for graph in (exported, exported_dynamic):
        whole = onnxruntime_session(graph)
        head, tail = split_preprocessing(onnx.load(graph))
        prepared = preprocess(faces, CONTRACT)
        by_graph = onnxruntime_session(head.SerializeToString())(faces)
        assert np.abs(by_graph - prepared).max() * CONTRACT.std[0] < 0.02  # grey levels
        by_runtime = onnxruntime_session(tail.SerializeToString())(prepared)
        assert np.abs(by_runtime - whole(faces)).max() < 1e-4


@rtx
@pytest.mark.parametrize("compute_capability", ["8.6", "8.9"])
def test_plans_for_gpus_that_are_not_here(
    compute_capability: str,
    exported: Path,
    exported_dynamic: Path,
    quantized: Path,
    faces: NDArray[np.uint8],
    expected: NDArray[np.float32],
    tmp_path: Path,
) -> None:
    target = get("tensorrt-rtx").aimed_at(compute_capability)
    for number, (graph, precision) in enumerate(
        [(exported, "fp32"), (exported_dynamic, "fp32"), (quantized, "int8")]
    ):
        engine = target.build(graph, precision, tmp_path / str(number))
        facts = json.loads(engine.files["model.engine.json"].read_text())
        assert facts["compute_capability"] == compute_capability == engine.options["compute_capability"]
        assert facts["profile"] == ([1, 4, 16] if graph == exported_dynamic else None)
        assert "TF32" not in facts["flags"]
        for name, file in (("plan_sha256", "model.engine"), ("onnx_sha256", "model.onnx")):
            with engine.files[file].open("rb") as content:
                assert facts[name] == copy_hashed(content)[1]
        checks = check_engine(target, engine, precision, faces, expected)
        require(checks)
        assert all(
            "as ONNX in onnxruntime" in check.name
            for check in checks
            if check.name.startswith(("parity/", "top-1/", "agreement/"))
        )


@rtx
def test_without_a_gpu_tensorrt_leaves_a_proven_onnx_and_the_recipe(exported: Path, tmp_path: Path) -> None:
    if installed("tensorrt"):
        pytest.skip("TensorRT itself is installed")
    engine = get("tensorrt").build(exported, "fp32", tmp_path)
    recipe = json.loads(engine.path.read_text())
    assert engine.entry == "build.json" and recipe["onnx"] == "model.onnx"
    assert recipe["proven_by"] == {"tensorrt-rtx": engine.tools["tensorrt-rtx"]}
    assert engine.options == {"preprocessing": "runtime"}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(engine.files)


@rtx
def test_a_float_graph_called_int8_is_caught(
    exported: Path, faces: NDArray[np.uint8], expected: NDArray[np.float32], tmp_path: Path
) -> None:
    target = get("tensorrt-rtx").aimed_at("8.6")
    share, *_ = check_engine(target, target.build(exported, "int8", tmp_path), "int8", faces, expected)
    assert share.name == "precision/tensorrt-rtx-int8" and not share.passed and "trunk." in share.detail


@rtx
def test_what_the_parser_refuses_is_named_by_module(exported: Path, tmp_path: Path) -> None:
    model = onnx.load(exported)
    (passed,) = built_by_tensorrt_rtx(model)
    assert passed.name == "operators/tensorrt-rtx" and passed.passed
    first = next(node for node in model.graph.node if node.op_type == "Conv")
    first.op_type, first.domain = "Convolve", "elsewhere"
    model.opset_import.append(onnx.helper.make_opsetid("elsewhere", 1))
    broken = tmp_path / "broken.onnx"
    onnx.save(model, broken)
    (refused,) = built_by_tensorrt_rtx(model)
    assert not refused.passed and "trunk.0" in refused.detail
    for name in MODULES:
        with pytest.raises(CheckError, match=r"tensorrt-rtx .* refuses the graph: .*trunk\.0"):
            get(name).build(broken, "fp32", tmp_path / name)


@rtx
def test_checking_a_file_asks_the_parser_too(
    exported: Path, faces: NDArray[np.uint8], tmp_path: Path
) -> None:
    calibration = CalibrationSet(faces, "blobs", np.arange(len(faces)))
    unsigned = quantize("onnxruntime", exported, calibration, tmp_path / "unsigned.onnx").path
    taken, refused = (
        {check.name: check for check in check_graph(graph, faces)}["operators/tensorrt-rtx"]
        for graph in (exported, unsigned)
    )
    assert taken.passed
    assert not refused.passed and "trunk." in refused.detail


@rtx
def test_what_the_builder_refuses_is_named_by_module(exported: Path, tmp_path: Path) -> None:
    """Turing has no float32 matrix product in TensorRT-RTX; the parser does not know which GPU is meant."""
    with pytest.raises(CheckError, match=r"refuses the graph: .*(attention|classify)/"):
        get("tensorrt-rtx").aimed_at("7.5").build(exported, "fp32", tmp_path)


@rtx
def test_no_plan_for_a_jetson_from_tensorrt_rtx(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"capability 8\.7\n.*8\.6, 8\.9.*\n.*--target tensorrt "):
        get("tensorrt-rtx").aimed_at("8.7").build(exported, "fp32", tmp_path)


@pytest.mark.parametrize("name", MODULES)
def test_without_the_packages(
    name: str, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgefer_runtime.engines.tensorrt_build.find_spec", lambda module: None)
    target = get(name)
    assert not target.installed()
    with pytest.raises(MissingError, match=r"pip install \"edgefer\[tensorrt-rtx\]\""):
        target.build(exported, "fp32", tmp_path)
    assert not list(tmp_path.iterdir())
