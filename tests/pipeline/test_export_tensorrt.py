"""`edgefer export` for TensorRT without a GPU: the score says whose it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgefer.pipeline.check import check_subject
from edgefer.pipeline.export import ExportSettings, export_bundles
from edgefer_export.certificate import require
from edgefer_export.targets import get
from edgefer_runtime.bundle import Bundle
from edgefer_runtime.errors import UsageError

SMALL = ExportSettings(
    "pattlite",
    targets=("tensorrt-rtx", "tensorrt"),
    compute_capability="8.6",
    data="synthfer:test[:70]",
)


@pytest.mark.slow
@pytest.mark.skipif(not get("tensorrt-rtx").installed(), reason="tensorrt-rtx is not installed")
def test_bundles_say_that_their_onnx_was_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # away from anybody's runs/
    rows = export_bundles(SMALL)
    assert [row["target"] for row in rows] == ["tensorrt-rtx", "tensorrt"]
    for row in rows:
        bundle = Bundle.open(row["path"])
        assert bundle.manifest.accuracy is not None
        assert row["engine"] == bundle.manifest.accuracy["engine"]
        assert row["engine"] == f"CPUExecutionProvider in place of {row['target']}"
        require(check_subject(bundle.path))
    assert Bundle.open(rows[0]["path"]).manifest.options["compute_capability"] == "8.6"


def test_a_compute_capability_is_for_a_target_that_builds_for_others() -> None:
    with pytest.raises(UsageError, match=r"8\.6 for onnxruntime\n.*--target tensorrt-rtx"):
        export_bundles(ExportSettings("pattlite", targets=("onnxruntime",), compute_capability="8.6"))
