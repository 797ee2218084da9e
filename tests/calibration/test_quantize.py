"""Quantization for every target: what it makes, what it records, what it leaves alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from edgefer_calibration import CalibrationSet, Quantized, quantize
from edgefer_calibration.quantize import RECIPES
from edgefer_calibration.quantize.onnxruntime import thin_convolutions
from edgefer_calibration.quantize.tensorrt import float_islands
from edgefer_export.sessions import Run, onnxruntime_session, openvino_session
from edgefer_runtime.errors import DataError, MissingError, UsageError

SESSIONS = dict.fromkeys(RECIPES, onnxruntime_session) | {"openvino": openvino_session}


@pytest.fixture(scope="module")
def quantized(
    float_onnx: Path, calibration: CalibrationSet, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Quantized]:
    folder = tmp_path_factory.mktemp("int8")
    return {
        target: quantize(target, float_onnx, calibration, folder / f"{target}.onnx") for target in RECIPES
    }


def largest_difference(found: Run, expected: Run, images: NDArray[np.uint8]) -> float:
    return float(np.abs(found(images) - expected(images)).max())


@pytest.mark.parametrize("target", RECIPES)
def test_int8_answers_as_float_does(
    target: str, quantized: dict[str, Quantized], float_onnx: Path, calibration: CalibrationSet
) -> None:
    session = SESSIONS[target]
    found, expected = session(quantized[target].path), session(float_onnx)
    answers = expected(calibration.images)
    assert np.ptp(answers, axis=0).max() > 0.3, "a network that always says the same proves nothing"
    assert largest_difference(found, expected, calibration.images) < 0.1
    graph = onnx.load(quantized[target].path).graph
    float_graph = onnx.load(float_onnx).graph
    assert [graph.input, graph.output] == [float_graph.input, float_graph.output]


@pytest.mark.parametrize("target", RECIPES)
def test_the_recipe_says_how_and_with_what(
    target: str, quantized: dict[str, Quantized], calibration: CalibrationSet
) -> None:
    recipe = json.loads(json.dumps(quantized[target].recipe))
    assert recipe["target"] == target
    assert recipe["calibration"] == calibration.summary()
    assert {"method", "activations", "weights", "float_islands"} <= set(recipe)
    assert all(recipe["tools"].values())


@pytest.mark.parametrize("target", RECIPES)
def test_weights_are_int8_per_channel_and_preprocessing_is_float(
    target: str, quantized: dict[str, Quantized]
) -> None:
    graph = onnx.load(quantized[target].path).graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    dequantized = {node.output[0]: node for node in graph.node if node.op_type == "DequantizeLinear"}
    int8 = [
        dequantized[node.input[1]]
        for node in graph.node
        if node.op_type == "Conv" and node.input[1] in dequantized
    ]
    floats = [node.name for node in graph.node if node.op_type == "Conv" and node.input[1] not in dequantized]
    assert floats == [name for name in quantized[target].recipe["float_islands"] if name.endswith("/Conv")]
    assert len(int8) == 6 - len(floats) >= 4
    for node in int8:
        weight, scale = tensors[node.input[0]], tensors[node.input[1]]
        assert weight.data_type == onnx.TensorProto.INT8
        assert scale.dims == [weight.dims[0]]
    for node in graph.node:
        if node.name.startswith("preprocess/"):
            assert not set(node.input) & set(dequantized), node.name


def test_thin_convolutions_at_the_camera_stay_float_for_onnxruntime(float_onnx: Path) -> None:
    assert thin_convolutions(onnx.load(float_onnx)) == ["0/Conv", "1/Clip", "2/Conv", "3/Clip"]


@pytest.mark.parametrize("target", RECIPES)
def test_nothing_is_printed(
    target: str,
    float_onnx: Path,
    calibration: CalibrationSet,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    few = CalibrationSet(calibration.images[:8], "ramps", calibration.indices[:8])
    quantize(target, float_onnx, few, tmp_path / "out.onnx")
    assert capfd.readouterr() == ("", "") and not caplog.records
    assert [path.name for path in tmp_path.iterdir()] == ["out.onnx"]


def test_the_same_set_gives_the_same_file(
    quantized: dict[str, Quantized], float_onnx: Path, calibration: CalibrationSet, tmp_path: Path
) -> None:
    for target in RECIPES:
        again = quantize(target, float_onnx, calibration, tmp_path / f"{target}.onnx")
        assert again.path.read_bytes() == quantized[target].path.read_bytes()


def test_refusals_leave_nothing_behind(float_onnx: Path, calibration: CalibrationSet, tmp_path: Path) -> None:
    out = tmp_path / "out.onnx"
    with pytest.raises(UsageError, match="coreml"):
        quantize("coreml", float_onnx, calibration, out)
    flat = CalibrationSet(np.zeros((4, 48, 48, 3), dtype=np.uint8), "black", np.arange(4))
    with pytest.raises(DataError, match="one grey level"):
        quantize("onnxruntime", float_onnx, flat, out)
    assert not list(tmp_path.iterdir())


def test_a_missing_quantizer_names_the_command(
    float_onnx: Path, calibration: CalibrationSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime.quantization", None)
    with pytest.raises(MissingError, match=r"onnxruntime.* is not installed") as caught:
        quantize("openvino", float_onnx, calibration, tmp_path / "out.onnx")
    assert "edgefer[openvino]" in caught.value.action and not list(tmp_path.iterdir())


def test_tensorrt_gets_signed_pairs_before_what_multiplies_and_float_biases(
    quantized: dict[str, Quantized],
) -> None:
    graph = onnx.load(quantized["tensorrt"].path).graph
    tensors = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    users = {value: node for node in graph.node for value in node.input}
    pairs = [node for node in graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert pairs and all(
        tensors[node.input[2]].dtype == np.int8 and not tensors[node.input[2]].any() for node in pairs
    )
    dequantized = [users[node.output[0]] for node in pairs if node.op_type == "DequantizeLinear"]
    assert {node.op_type for node in dequantized} == {"Conv", "Gemm"}
    for node in dequantized:
        assert all("DequantizeLinear" in value for value in node.input[:2])
        assert tensors[node.input[2]].dtype == np.float32
        assert users[node.output[0]].op_type != "QuantizeLinear", "a pair would part it from its activation"


def test_tensorrt_quantizes_residual_sums_and_no_product_of_activations() -> None:
    def graph_of(text: str) -> onnx.ModelProto:
        return onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["": 18]> {text}')

    model = graph_of(
        """g (float[1,4,4,4] x) => (float[1,4,4,4] y)
        <float[4,4,1,1] w = {1}, float[1] one = {1}> {
            [branch] a = Conv(x, w)
            [residual] b = Add(a, x)
            [shift] c = Add(b, one)
            [product] d = MatMul(c, b)
            [sum] y = Add(d, c)
        }"""
    )
    assert float_islands(model) == ["shift", "product", "sum"]
