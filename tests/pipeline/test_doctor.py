"""What the doctor says of this machine, for people and for scripts."""

from __future__ import annotations

import json
import os

import pytest

from edgefer.pipeline.doctor import diagnose
from edgefer.pipeline.requirements import EXTRAS


def test_the_doctor_tells_people_and_scripts_the_same(edgefer) -> None:  # type: ignore[no-untyped-def]
    report = json.loads(edgefer("doctor", "--json").stdout)
    assert report["machine"]["cores"] == len(os.sched_getaffinity(0))
    assert {part["name"]: part["ready"] for part in report["parts"]} == dict.fromkeys(EXTRAS, True)
    shown = edgefer("doctor").stdout
    assert report["machine"]["kernel"] in shown
    assert "None" not in shown


def test_a_missing_engine_is_a_finding_with_its_pip_command(monkeypatch: pytest.MonkeyPatch) -> None:
    for extra in ("onnxruntime", "openvino"):
        monkeypatch.setitem(EXTRAS, extra, ("no_such_module",))
    report = diagnose()
    assert any('pip install "edgefer[onnxruntime]"' in finding for finding in report["findings"])
    assert not any(part["ready"] for part in report["parts"] if part["name"] in ("onnxruntime", "openvino"))
