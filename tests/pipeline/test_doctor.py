"""What the doctor says of this machine and of recorded ones, for people and for scripts."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from edgefer.pipeline import doctor
from edgefer.pipeline.doctor import diagnose
from edgefer.pipeline.requirements import EXTRAS
from edgefer_runtime import environment

Recorded = Callable[[str], Path]


def test_the_doctor_tells_people_and_scripts_the_same(edgefer) -> None:  # type: ignore[no-untyped-def]
    report = json.loads(edgefer("doctor", "--json").stdout)
    assert report["machine"]["cores"] == len(os.sched_getaffinity(0))
    assert {part["name"]: part["ready"] for part in report["parts"]} == dict.fromkeys(EXTRAS, True)
    assert report["device"] in ("cpu", "intel", "aarch64")
    shown = edgefer("doctor").stdout
    assert report["machine"]["kernel"] in shown
    assert "None" not in shown


def test_a_missing_engine_is_a_finding_with_its_pip_command(monkeypatch: pytest.MonkeyPatch) -> None:
    for extra in ("onnxruntime", "openvino"):
        monkeypatch.setitem(EXTRAS, extra, ("no_such_module",))
    report = diagnose()
    assert any('pip install "edgefer[onnxruntime]"' in finding for finding in report["findings"])
    assert not any(part["ready"] for part in report["parts"] if part["name"] in ("onnxruntime", "openvino"))


def told(report: dict, word: str) -> str:
    return next(finding for finding in report["findings"] if word in finding)


def test_an_orin_nano_that_hides_its_tensorrt(
    recorded_machine: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "find_spec", lambda name: None)
    report = diagnose(recorded_machine("jetson-orin-nano"))
    assert report["device"] == "jetson-orin-nano"
    assert report["sensors"]["power_total_w"] == pytest.approx(6.522, abs=1e-3)
    assert "--system-site-packages" in told(report, "TensorRT 10.3.0.30 is on the system")
    assert "sudo nvpmodel -m 0" in told(report, "power mode is 15W")
    assert "governor" in told(report, "schedutil")


def test_a_tensorrt_too_new_for_its_jetpack(
    recorded_machine: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "packages", lambda: {"tensorrt": "11.4.0"})
    assert "pip uninstall -y tensorrt" in told(diagnose(recorded_machine("jetson-orin-nano")), "JetPack 6")


def test_an_agx_orin_on_an_old_jetpack(recorded_machine: Recorded) -> None:
    report = diagnose(recorded_machine("jetson-agx-orin"))
    assert "JetPack 6 or later" in told(report, "JetPack 5")
    assert "cooling" in told(report, "cpu-throttle-alert")
    assert not any("governor" in finding or "power mode" in finding for finding in report["findings"])


def test_a_pi_and_a_pc(recorded_machine: Recorded) -> None:
    assert "under-voltage" in told(diagnose(recorded_machine("raspberry-pi-5")), "held back now")
    report = diagnose(recorded_machine("x86"))
    assert report["device"] == "intel"
    assert report["sensors"]["energy_counter"] == "package-0"
    assert told(report, "held back since it booted")
    assert not any("INT8 may be no faster" in finding for finding in report["findings"])


def test_int8_without_its_instructions(recorded_machine: Recorded) -> None:
    root = recorded_machine("raspberry-pi-5")
    cpu = root / "proc/cpuinfo"
    cpu.write_text(cpu.read_text().replace(" asimddp", ""))
    assert "measure both" in told(diagnose(root), "asimddp")


def test_both_packages_of_onnxruntime(recorded_machine: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    both = {"onnxruntime": "1.31.1", "onnxruntime-gpu": "1.31.1"}
    monkeypatch.setattr(environment, "packages", lambda: both)
    assert "pip uninstall -y onnxruntime onnxruntime-gpu" in told(
        diagnose(recorded_machine("x86")), "overwrite each other"
    )


def test_devices_are_listed_and_one_is_here(edgefer) -> None:  # type: ignore[no-untyped-def]
    rows = json.loads(edgefer("devices", "--json").stdout)
    assert sum(row["here"] for row in rows) == 1
    assert "(here)" in edgefer("devices").stdout
    assert "never run on one" in edgefer("devices", "jetson").stdout
    refused = edgefer("devices", "toaster")
    assert refused.returncode == 7 and "jetson" in refused.stderr
