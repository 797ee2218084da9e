"""Writing Q/DQ from ranges that are there already: the library's own graph, without running a face."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

from edgefer_calibration import CalibrationSet, Ranges, collect_ranges, quantize
from edgefer_runtime.errors import UsageError


@pytest.fixture(scope="module")
def ranges(float_onnx: Path, calibration: CalibrationSet) -> Ranges:
    return collect_ranges(float_onnx, calibration)


class Reader:
    def __init__(self, name: str, images: NDArray[np.uint8]) -> None:
        self.faces: Iterator[dict[str, NDArray[np.uint8]]] = iter([{name: image[None]} for image in images])

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        return next(self.faces, None)


@pytest.mark.parametrize("target", ["onnxruntime", "tensorrt"])
def test_minmax_gives_the_very_graph_of_the_library(
    target: str, ranges: Ranges, float_onnx: Path, calibration: CalibrationSet, tmp_path: Path
) -> None:
    ours = quantize(target, float_onnx, calibration, tmp_path / "ours.onnx", method="minmax", ranges=ranges)
    model = onnx.load(float_onnx)
    form = import_module(f"edgefer_calibration.quantize.{target}").recipe(model).form
    logging.disable(logging.WARNING)
    quantize_static(
        model,
        tmp_path / "theirs.onnx",
        Reader(model.graph.input[0].name, np.asarray(calibration.images)),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QInt8 if form.symmetric else QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
        op_types_to_quantize=list(form.operators),
        nodes_to_exclude=list(ours.recipe["float_islands"]),
        calibrate_method=CalibrationMethod.MinMax,
        extra_options={
            "ActivationSymmetric": form.symmetric,
            "QuantizeBias": not form.symmetric,
            "OpTypesToExcludeOutputQuantization": sorted({*form.operators} - {*form.outputs}),
        },
    )
    logging.disable(logging.NOTSET)
    assert onnx.load(ours.path).graph == onnx.load(tmp_path / "theirs.onnx").graph


def test_no_face_runs_when_ranges_are_given(
    ranges: Ranges,
    float_onnx: Path,
    calibration: CalibrationSet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = quantize("openvino", float_onnx, calibration, tmp_path / "expected.onnx")
    monkeypatch.delattr(onnxruntime, "InferenceSession")
    found = quantize("openvino", float_onnx, calibration, tmp_path / "found.onnx", ranges=ranges)
    assert found.path.read_bytes() == expected.path.read_bytes()
    assert found.recipe == expected.recipe


def test_the_method_is_the_recipes_own_or_the_one_asked_for(
    ranges: Ranges, float_onnx: Path, calibration: CalibrationSet, tmp_path: Path
) -> None:
    def scale(method: str | None) -> tuple[str, float]:
        made = quantize(
            "openvino", float_onnx, calibration, tmp_path / "made.onnx", method=method, ranges=ranges
        )
        tensors = {tensor.name: tensor for tensor in onnx.load(made.path).graph.initializer}
        first = next(name for name in ranges.histograms if f"{name}_scale" in tensors)
        return made.recipe["ranges"], float(onnx.numpy_helper.to_array(tensors[f"{first}_scale"]))

    own = import_module("edgefer_calibration.quantize.openvino").recipe(onnx.load(float_onnx)).method
    assert scale(None) == scale(own)
    assert scale("mse")[0] == "mse" and scale("mse")[1] < scale("minmax")[1]
    with pytest.raises(UsageError, match="guess"):
        quantize("openvino", float_onnx, calibration, tmp_path / "out.onnx", method="guess", ranges=ranges)


def test_modules_named_stay_float_with_all_below_them(
    ranges: Ranges, float_onnx: Path, calibration: CalibrationSet, tmp_path: Path
) -> None:
    nested = onnx.load(float_onnx)
    for node in nested.graph.node:
        node.name = node.name.replace("4/", "4.inner/").replace("6/", "40/")
    onnx.save(nested, tmp_path / "nested.onnx")

    def floats(*modules: str) -> set[str]:
        made = quantize(
            "tensorrt",
            tmp_path / "nested.onnx",
            calibration,
            tmp_path / "made.onnx",
            float_modules=modules,
            ranges=ranges,
        )
        nodes = onnx.load(made.path).graph.node
        pairs = {node.output[0] for node in nodes if node.op_type == "DequantizeLinear"}
        return {node.name for node in nodes if node.op_type in ("Conv", "Gemm") and not pairs & {*node.input}}

    assert floats() == set()
    assert floats("4") == floats("4.inner") == {"4.inner/Conv"}
    assert floats("40", "4") == {"4.inner/Conv", "40/Conv"}
    with pytest.raises(UsageError, match=r"'4\.in'"):
        floats("4.in")
