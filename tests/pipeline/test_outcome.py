"""What follows an export where there is little to follow it with."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgefer.pipeline import ignore
from edgefer.pipeline.faces import load_faces
from edgefer.pipeline.outcome import time_and_judge, write_page
from edgefer_runtime.bundle import Bundle, write_bundle
from edgefer_runtime.contract import InputContract
from edgefer_runtime.manifest import Manifest

SCORE = {"drop": {"points": 0.0, "interval": (0.0, 0.0)}}


@pytest.fixture
def elsewhere(tmp_path: Path) -> Bundle:
    """A bundle whose plan is another machine's."""
    for name in ("model.engine", "model.onnx"):
        (tmp_path / name).write_bytes(b"for another machine")
    manifest = Manifest(
        model="lanmsff",
        variant="full",
        parameters=1,
        classes=("anger", "neutral"),
        input=InputContract(8, 8, "RGB", (0.0,) * 3, (1.0,) * 3),
        target="tensorrt",
        precision="fp32",
        entry="model.engine",
        options={"preprocessing": "runtime"},
    )
    files = {name: tmp_path / name for name in ("model.engine", "model.onnx")}
    return write_bundle(tmp_path / "bundle", manifest, files, {"checks": []})


def test_engines_of_other_machines_are_not_timed(elsewhere: Bundle) -> None:
    verdict = time_and_judge([(elsewhere, SCORE)], load_faces("synthfer:eval[:70]", ignore), None, ignore)
    assert verdict["chosen"] is None and verdict["engines"] == []
    assert verdict["reason"] == "not timed: none of these engines runs on this machine"


def test_a_float_engine_alone_has_no_page(elsewhere: Bundle, tmp_path: Path) -> None:
    assert write_page([(elsewhere, SCORE)], tmp_path / "runs", None) is None
    assert not (tmp_path / "runs").exists()
