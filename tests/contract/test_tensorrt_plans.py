"""Every model of the zoo becomes TensorRT-RTX plans in every precision, for GPUs that are not here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgefer.data import load
from edgefer.models import MODELS, ModelSpec
from edgefer.pipeline.subjects import find_checkpoint
from edgefer_calibration import CalibrationSet, quantize
from edgefer_export import export_onnx
from edgefer_export.certificate import require
from edgefer_export.checks import check_engine, reference
from edgefer_export.precision import write_fp16
from edgefer_export.targets import get
from edgefer_runtime.errors import DataError

from .test_exports import CLASSES, settled

RTX = get("tensorrt-rtx")
COMPUTE_CAPABILITIES = {"fp32": ("8.6",), "fp16": ("8.9",), "int8": ("8.6", "8.9")}
"""Of GPUs to build for: plans for the two differ in INT8 only."""


@pytest.fixture(scope="module")
def faces() -> NDArray[np.uint8]:
    return load("synthfer:test[:8]").images


@pytest.mark.slow
@pytest.mark.skipif(not RTX.installed(), reason="tensorrt-rtx is not installed")
@pytest.mark.parametrize("spec", MODELS.values(), ids=MODELS)
def test_plans_of_every_precision(
    spec: ModelSpec, faces: NDArray[np.uint8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # away from anybody's runs/
    try:
        checkpoint, _ = find_checkpoint(spec.name, None)
        network = checkpoint.network()
    except DataError:  # no weights are shipped yet
        network = settled(spec, next(iter(spec.variants)), faces)
    graph = export_onnx(
        network, contract=spec.contract, classes=CLASSES, output=spec.output, path=tmp_path / "fp32.onnx"
    )
    graphs = {"fp32": graph, "fp16": tmp_path / "fp16.onnx", "int8": tmp_path / "int8.onnx"}
    write_fp16(graph, faces, graphs["fp16"])
    quantize(RTX.name, graph, CalibrationSet(faces, "synthfer", np.arange(len(faces))), graphs["int8"])
    expected = reference(network, faces, spec.contract, spec.output)
    for precision, narrowed in graphs.items():
        for compute_capability in COMPUTE_CAPABILITIES[precision]:
            target = RTX.aimed_at(compute_capability)
            engine = target.build(narrowed, precision, tmp_path / f"{precision}-{compute_capability}")
            assert engine.files["model.engine"].stat().st_size > 100_000
        require(check_engine(target, engine, precision, faces, expected))
