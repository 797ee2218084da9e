"""The accuracy budget decides which engines are written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgefer.cli.export import _tell
from edgefer.pipeline.export import ExportSettings, export_bundles
from edgefer_bench.scoring import FLOAT_NETWORK
from edgefer_runtime.errors import BudgetError, CheckError, DataError, UsageError

SMALL = {"calibration": "synthfer:train[:70]", "data": "synthfer:eval[:35]", "targets": ("onnxruntime",)}


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_budget_that_nothing_can_prove_is_refused_before_any_work() -> None:
    with pytest.raises(BudgetError, match="35 faces prove no drop below") as caught:
        export_bundles(ExportSettings("pattlite", max_drop=0, **SMALL))
    assert caught.value.exit_code == 5
    assert not Path("runs").exists()


def test_the_float_engine_is_held_against_its_network_and_the_manifest_tells_all() -> None:
    (row,) = export_bundles(ExportSettings("pattlite", max_drop=10, **SMALL))
    assert row["drop"]["against"] == FLOAT_NETWORK and row["flips"] == 0
    assert row["accuracy_drop_ci"][1] == pytest.approx(9.89, abs=0.01)  # What 35 faces prove at best.
    manifest = json.loads((Path(row["path"]) / "manifest.json").read_text())
    assert manifest["accuracy"]["data"] == "synthfer:eval[:35]"
    assert manifest["accuracy"]["evaluation"]["accuracy"] == row["accuracy"]
    assert "no evidence of accuracy on people" in manifest["provenance"]["notice"]
    assert manifest["licence"] == "Apache-2.0"
    assert manifest["classes"] == ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]


def test_exporting_again_replaces_the_bundle() -> None:
    rows = [export_bundles(ExportSettings("pattlite", **SMALL))[0] for _ in range(2)]
    assert rows[0] == rows[1]


def test_a_folder_that_is_no_bundle_is_not_overwritten() -> None:
    mine = Path("runs/pattlite/onnxruntime-fp32/thesis.txt")
    mine.parent.mkdir(parents=True)
    mine.write_text("years of work")
    with pytest.raises(DataError, match=r"thesis\.txt"):
        export_bundles(ExportSettings("pattlite", **SMALL))
    assert mine.read_text() == "years of work"


def test_a_target_twice_is_built_once_and_an_unknown_one_refused() -> None:
    twice = ExportSettings("pattlite", **{**SMALL, "targets": ("onnxruntime", "onnxruntime")}, timing=True)
    (row,) = export_bundles(twice)
    assert row["verdict"]["chosen"] is None and "not timed: 35 faces" in row["verdict"]["reason"]
    assert row["page"] is None, "there is nothing to compare"
    with pytest.raises(UsageError, match="coreml"):
        export_bundles(ExportSettings("pattlite", targets=("coreml",)))
    with pytest.raises(UsageError, match="Model Server for onnxruntime"):
        export_bundles(ExportSettings("pattlite", server="ovms", **SMALL))


def test_a_checkpoint_whose_attention_mixes_a_batch_is_refused(tmp_path: Path) -> None:
    from edgefer.models import get
    from edgefer.training.checkpoint import Checkpoint, save_checkpoint

    spec, classes = get("pattlite"), ("anger", "joy")
    weights = spec.build("batch", len(classes)).state_dict()
    mixing = Checkpoint("pattlite", "batch", classes, spec.contract, weights, {})
    path = save_checkpoint(tmp_path / "mixing", mixing)
    with pytest.raises(CheckError, match="module 'attention' mixes the faces of a batch") as caught:
        export_bundles(ExportSettings(str(path), **SMALL))
    assert caught.value.exit_code == 4 and not Path("runs").exists()


def test_a_precision_no_target_has_is_refused_before_any_work() -> None:
    with pytest.raises(UsageError, match="bf16 for onnxruntime") as caught:
        export_bundles(ExportSettings("pattlite", precisions=("fp32", "bf16"), **SMALL))
    assert "openvino" in str(caught.value)


def test_fp16_in_any_batch_with_its_float_twin_and_what_follows(capsys: pytest.CaptureFixture[str]) -> None:
    enough = {**SMALL, "data": "synthfer:eval[:70]"}
    settings = ExportSettings(
        "lanmsff", precisions=("fp32", "fp16"), batch=None, server="triton", timing=True, **enough
    )
    twin, half = export_bundles(settings)
    verdict = half["verdict"]
    assert [timed["engine"] for timed in verdict["engines"]] == ["onnxruntime fp32", "onnxruntime fp16"]
    chosen = verdict["chosen"]
    assert verdict["reason"].startswith(f"use {chosen}: " if chosen else "undecided: the machine is too busy")
    assert verdict == twin["verdict"]
    page = Path(half["page"]).read_text()
    assert half["page"] == "runs/lanmsff/drop.html"
    assert "What FP16 did to LANMSFF" in page and verdict["reason"][1:] in page
    _tell([twin, half])
    told = capsys.readouterr()
    assert verdict["reason"] in told.out and "onnxruntime fp16" in told.out
    assert "plots: runs/lanmsff/drop.html" in told.err and "repository of 2 models" in told.err
    assert half["repository"]["models"] == ["lanmsff-onnxruntime-fp32", "lanmsff-onnxruntime-fp16"]
    config = Path("runs/lanmsff/triton/lanmsff-onnxruntime-fp16/config.pbtxt").read_text()
    assert "dynamic_batching" in config, "the real certificate holds the row that allows it"
    assert half["accuracy_drop_ci"][0] <= half["accuracy_drop"] <= half["accuracy_drop_ci"][1]
    assert half["size_mb"] < 0.6 * twin["size_mb"]
    manifest = json.loads((Path(half["path"]) / "manifest.json").read_text())
    assert manifest["precision"] == "fp16" and manifest["batch"] is None
    lost = manifest["accuracy"]["drop"]
    assert lost == json.loads(json.dumps(half["drop"])) and "none" in lost["per_occlusion"]
    for figure in ("calibration_error", "var_paper", "var_poses"):
        assert lost[figure]["after"] == manifest["accuracy"]["evaluation"][figure]
    assert lost["profile_excess"]["images"] < 70
    assert manifest["quantization"]["float_islands"]["probabilities/Softmax"] == "behind the last layer"
