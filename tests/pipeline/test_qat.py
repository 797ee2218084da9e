"""Exporting INT8 by quantization-aware training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgefer.pipeline.export import ExportSettings, export_bundles
from edgefer_runtime.errors import UsageError


@pytest.mark.slow
def test_training_takes_the_place_of_calibration_alone(tmp_path: Path) -> None:
    told: list[str] = []
    settings = ExportSettings(
        "lanmsff",
        precisions=("fp32", "int8"),
        targets=("onnxruntime",),
        calibration="synthfer:train[:70]",
        data="synthfer:eval[:35]",
        output=tmp_path,
        qat_epochs=1,
    )
    export_bundles(settings, lambda stage, done, total: told.append(f"{stage} {done}/{total}"))
    manifest = json.loads((tmp_path / "onnxruntime-int8" / "manifest.json").read_text())
    training = manifest["quantization"]["qat"]
    assert training["epochs"] == 1 and training["kept"] in ("trained", "calibrated")
    assert 0 < training["divergence_before"] < 0.02 > training["divergence_after"]
    assert "quantization-aware training 4/4" in told, "56 of 70 faces in batches of 16"


def test_nothing_is_trained_without_int8(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--qat without --int8"):
        export_bundles(ExportSettings("lanmsff", qat_epochs=1, output=tmp_path))
