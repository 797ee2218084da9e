"""Engines of every target: what they answer, what they run in, and what catches one that lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn

from edgefer_calibration import CalibrationSet, quantize
from edgefer_export.certificate import require
from edgefer_export.checks import check_engine, reference
from edgefer_export.sessions import Run, openvino_session
from edgefer_export.targets import get, installed
from edgefer_export.targets.openvino import has_bfloat16
from edgefer_runtime.engines.libraries import import_openvino
from edgefer_runtime.engines.openvino_static import of_size
from edgefer_runtime.errors import MissingError, UsageError

from .conftest import CONTRACT

TARGETS = ("onnxruntime", "openvino")
"""Those whose engines run on any CPU."""


@pytest.fixture(scope="module")
def expected(network: nn.Module, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
    return reference(network, faces, CONTRACT, "logits")


@pytest.fixture(scope="module")
def quantized(
    exported: Path, faces: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("int8")
    faces_of = CalibrationSet(faces, "blobs", np.arange(len(faces)))
    return {name: quantize(name, exported, faces_of, folder / f"{name}.onnx").path for name in TARGETS}


@pytest.mark.parametrize("name", TARGETS)
def test_float_engine(
    name: str,
    exported: Path,
    exported_dynamic: Path,
    faces: NDArray[np.uint8],
    expected: NDArray[np.float32],
    tmp_path: Path,
) -> None:
    target = get(name)
    for graph in (exported, exported_dynamic):
        engine = target.build(graph, "fp32", tmp_path / graph.parent.name)
        checks = check_engine(target, engine, "fp32", faces, expected)
        require(checks)
        assert [check.name for check in checks] == [
            f"{row}/{name}-fp32" for row in ("precision", "parity", "top-1")
        ]
        assert engine.entry in engine.files and all(path.is_file() for path in engine.files.values())
        assert engine.tools[name]
    assert name in installed()


@pytest.mark.parametrize("name", TARGETS)
def test_int8_engine(
    name: str,
    quantized: dict[str, Path],
    faces: NDArray[np.uint8],
    expected: NDArray[np.float32],
    tmp_path: Path,
) -> None:
    target = get(name)
    engine = target.build(quantized[name], "int8", tmp_path)
    checks = check_engine(target, engine, "int8", faces, expected)
    shares = [check for check in checks if check.name != f"precision/{name}-int8"]
    require(shares)
    assert any(layer.precision == "int8" for layer in target.layers(engine))


@pytest.mark.parametrize("name", TARGETS)
def test_a_float_engine_called_int8_is_caught(
    name: str, exported: Path, faces: NDArray[np.uint8], expected: NDArray[np.float32], tmp_path: Path
) -> None:
    target = get(name)
    engine = target.build(exported, "int8", tmp_path)
    precision, *_ = check_engine(target, engine, "int8", faces, expected)
    assert precision.name == f"precision/{name}-int8"
    assert not precision.passed and precision.measured == 0 and "trunk." in precision.detail


@pytest.mark.parametrize("name", TARGETS)
def test_an_int8_engine_called_fp32_is_caught(
    name: str,
    quantized: dict[str, Path],
    faces: NDArray[np.uint8],
    expected: NDArray[np.float32],
    tmp_path: Path,
) -> None:
    target = get(name)
    engine = target.build(quantized[name], "fp32", tmp_path)
    precision, *_ = check_engine(target, engine, "fp32", faces, expected)
    assert not precision.passed and precision.measured >= 2


def test_bfloat16_is_not_passed_off_as_fp32(
    exported: Path, faces: NDArray[np.uint8], expected: NDArray[np.float32], tmp_path: Path
) -> None:
    """Without the hint OpenVINO computes in bfloat16 where the processor can."""
    from dataclasses import replace

    import openvino

    target = get("openvino")
    engine = replace(target.build(exported, "fp32", tmp_path), options={})
    narrow = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    precision, *_ = check_engine(target, engine, "fp32", faces, expected)
    assert precision.passed != narrow


def test_float_weights_are_not_stored_as_float16(exported: Path, tmp_path: Path) -> None:
    engine = get("openvino").build(exported, "fp32", tmp_path)
    assert 'element_type="f16"' not in engine.path.read_text()


@pytest.fixture(scope="module")
def both_resizes(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    written_out = get("openvino").build(exported, "fp32", tmp_path_factory.mktemp("gathering")).path
    text = written_out.read_text()
    assert 'type="Interpolate"' not in text and 'type="Gather"' in text
    return openvino_session(written_out), openvino_session(exported)


@settings(max_examples=25, deadline=None)
@given(height=st.integers(1, 120), width=st.integers(1, 120), seed=st.integers(0, 2**31))
def test_the_written_out_resize_is_the_resize(
    height: int, width: int, seed: int, both_resizes: tuple[Run, Run]
) -> None:
    crop = np.random.default_rng(seed).integers(0, 256, (1, height, width, 3), dtype=np.uint8)
    written_out, interpolate = (run(crop) for run in both_resizes)
    assert np.abs(written_out - interpolate).max() < 1e-3


def test_where_nothing_is_to_be_resized_nothing_is(exported: Path, tmp_path: Path) -> None:
    """A crop that has the network's size is handed on as it is, to the same answer."""
    core = import_openvino().Core()
    engine = get("openvino").build(exported, "fp32", tmp_path)
    for source, resize in ((engine.path, "Gather"), (exported, "Interpolate")):
        model = core.read_model(source)
        assert resize in [node.get_type_name() for node in model.get_ops()]
        of_size(model, CONTRACT.height, CONTRACT.width)
        compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        left = {node.rt_info["layerType"].value for node in compiled.get_runtime_model().get_ops()}
        assert resize not in left
        crop = np.random.default_rng(3).integers(0, 256, (1, 40, 40, 3), dtype=np.uint8)
        answer = compiled(crop)[0]
        assert np.abs(answer - openvino_session(exported)(crop)).max() < 1e-5


def test_bfloat16_does_not_reach_the_resize(
    exported: Path, faces: NDArray[np.uint8], both_resizes: tuple[Run, Run], tmp_path: Path
) -> None:
    """Pixels are numbered to some hundreds, and bfloat16 counts whole numbers to 256."""
    if not has_bfloat16():
        pytest.skip("this CPU has no bfloat16")
    target = get("openvino")
    narrow, (wide, _) = target.session(target.build(exported, "bf16", tmp_path)), both_resizes

    def error(crops: NDArray[np.uint8]) -> float:
        return float(np.mean([np.abs(narrow(crop[None]) - wide(crop[None])).max() for crop in crops]))

    large = np.repeat(np.repeat(faces, 3, axis=1), 3, axis=2)
    assert error(large) < 2 * error(faces)


def test_unknown_names(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="tensorflow"):
        get("tensorflow")
    with pytest.raises(UsageError, match="onnxruntime in fp8"):
        get("onnxruntime").build(exported, "fp8", tmp_path)


@pytest.mark.parametrize("name", TARGETS)
def test_a_missing_library_names_the_command(
    name: str, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"edgefer_export.targets.{name}.find_spec", lambda library: None)
    with pytest.raises(MissingError, match=r"pip install") as caught:
        get(name).build(exported, "fp32", tmp_path / "engine")
    assert caught.value.exit_code == 6 and not (tmp_path / "engine").exists()
    assert name not in installed()
