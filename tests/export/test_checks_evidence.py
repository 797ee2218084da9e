"""Evidence: a bundle's engine is measured again, and whatever was exchanged since its export shows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from torch import nn

from edgefer_calibration import CalibrationSet, quantize
from edgefer_export import export_onnx
from edgefer_export.certificate import certificate, require
from edgefer_export.checks import reference
from edgefer_export.evidence import Evidence, gather, redo
from edgefer_export.targets import TARGETS, BuiltEngine, get
from edgefer_runtime.errors import DataError

from .conftest import CLASSES, CONTRACT, small

NAMES = tuple("abcde")
HERE = [name for name in TARGETS if name in ("onnxruntime", "openvino")]


def gathered(
    name: str, engine: BuiltEngine, precision: str, network: nn.Module, faces: NDArray[np.uint8]
) -> Evidence:
    expected = reference(network, faces, CONTRACT, "logits")
    return gather(get(name), engine, precision, crops=faces, network=expected, classes=NAMES, selections=())


def failed(name: str, engine: BuiltEngine, precision: str, evidence: Evidence) -> dict[str, str]:
    rows = redo(get(name), engine, precision, NAMES, evidence)
    return {row.name: row.detail for row in rows if not row.passed}


@pytest.fixture(scope="module")
def float_engine(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> BuiltEngine:
    return get("onnxruntime").build(exported, "fp32", tmp_path_factory.mktemp("float"))


@pytest.fixture(scope="module")
def evidence(float_engine: BuiltEngine, network: nn.Module, faces: NDArray[np.uint8]) -> Evidence:
    return gathered("onnxruntime", float_engine, "fp32", network, faces)


@pytest.mark.parametrize("name", HERE)
def test_an_untouched_engine_passes_after_a_round_trip(
    name: str, exported: Path, network: nn.Module, faces: NDArray[np.uint8], tmp_path: Path
) -> None:
    engine = get(name).build(exported, "fp32", tmp_path)
    written = certificate([], gathered(name, engine, "fp32", network, faces))
    read = Evidence.from_json(json.loads(json.dumps(written))["evidence"])
    assert (read.crops == faces).all()
    rows = redo(get(name), engine, "fp32", NAMES, read)
    require(rows)
    assert {f"precision/{name}-fp32", f"parity/{name}-fp32", "classes", "as-claimed"} <= {
        row.name for row in rows
    }


def test_another_networks_engine(
    float_engine: BuiltEngine, evidence: Evidence, faces: NDArray[np.uint8], tmp_path: Path
) -> None:
    network = small()
    network.classify.weight.data.mul_(1.02)
    path = tmp_path / "other.onnx"
    export_onnx(network, contract=CONTRACT, classes=CLASSES, output="logits", path=path)
    guilty = failed("onnxruntime", replace(float_engine, files={"model.onnx": path}), "fp32", evidence)
    assert set(guilty) == {"parity/onnxruntime-fp32", "as-exported/onnxruntime-fp32", "as-claimed"}


def test_swapped_classes(float_engine: BuiltEngine, evidence: Evidence) -> None:
    rows = redo(get("onnxruntime"), float_engine, "fp32", ("b", "a", "c", "d", "e"), evidence)
    assert {row.name: row.measured for row in rows if not row.passed} == {"classes": 2}


def test_an_engine_that_does_not_open(float_engine: BuiltEngine, evidence: Evidence, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"sealed, but no graph")
    broken = replace(float_engine, files={"model.onnx": tmp_path / "model.onnx"})
    assert set(failed("onnxruntime", broken, "fp32", evidence)) == {"operators/onnxruntime"}


def test_numbers_that_were_polished(float_engine: BuiltEngine, evidence: Evidence) -> None:
    polished = [
        replace(row, measured=row.measured + 2e-4) if row.name.startswith("parity") else row
        for row in evidence.checks
    ]
    guilty = failed("onnxruntime", float_engine, "fp32", replace(evidence, checks=tuple(polished)))
    assert set(guilty) == {"as-claimed"} and "parity/onnxruntime-fp32" in guilty["as-claimed"]
    fewer = replace(evidence, checks=evidence.checks[1:])
    assert "operators: not in the certificate" in str(failed("onnxruntime", float_engine, "fp32", fewer))


def test_an_int8_engine_with_its_scales_stripped(
    exported: Path, network: nn.Module, faces: NDArray[np.uint8], tmp_path: Path
) -> None:
    ranges = CalibrationSet(faces, "blobs", np.arange(len(faces)))
    quantized = quantize("onnxruntime", exported, ranges, tmp_path / "int8.onnx").path
    engine = get("onnxruntime").build(quantized, "int8", tmp_path)
    evidence = gathered("onnxruntime", engine, "int8", network, faces)
    onnx.save(stripped(onnx.load(quantized)), tmp_path / "model.onnx")
    guilty = failed("onnxruntime", engine, "int8", evidence)
    assert {"precision/onnxruntime-int8", "as-claimed"} <= set(guilty)
    assert "trunk." in guilty["precision/onnxruntime-int8"]


def stripped(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same function in float: weights multiplied out, activations no longer rounded."""
    arrays = {each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer}
    same: dict[str, str] = {}
    kept = []
    for node in model.graph.node:
        node.input[:] = [same.get(value, value) for value in node.input]
        if node.op_type == "DequantizeLinear" and node.input[0] in arrays:
            weight, scale, zero = (arrays[value].astype(np.float32) for value in node.input)
            axes = (-1, *[1] * (weight.ndim - 1)) if scale.ndim else ()
            values = (weight - zero.reshape(axes)) * scale.reshape(axes)
            model.graph.initializer.append(onnx.numpy_helper.from_array(values, node.output[0]))
        elif node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            same[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    del model.graph.node[:]
    model.graph.node.extend(kept)
    return model


@pytest.mark.parametrize(
    "damage",
    [
        {"crops": "AAAA"},
        {"shape": [16, 56, 56]},
        {"shape": [1, 56, 56, 3]},
        {"network": [[1.0]]},
        {"checks": [{"name": "parity"}]},
        {"classes": ["a"]},
    ],
    ids=lambda damage: next(iter(damage)),
)
def test_evidence_that_cannot_be_read(damage: dict[str, Any], evidence: Evidence) -> None:
    with pytest.raises(DataError, match="evidence cannot be read"):
        Evidence.from_json(evidence.to_json() | damage)


def test_no_evidence() -> None:
    with pytest.raises(DataError, match="export the bundle again"):
        Evidence.from_json(None)
