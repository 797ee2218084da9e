"""tools/compare_trial.py: the slowdown that it puts in, and what it makes of verdicts."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from functools import partial
from pathlib import Path

import pytest

from edgefer_bench.records import read_records
from edgefer_runtime.benching import BenchPlan

SCRIPT = Path(__file__).parents[2] / "tools/compare_trial.py"


@pytest.fixture
def trial():
    spec = importlib.util.spec_from_file_location("compare_trial", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_second_record_is_slower_by_the_delay_and_no_other(
    trial, make_bundle, faces, tmp_path, monkeypatch
):
    monkeypatch.setattr(trial, "load_faces", lambda name: faces)
    monkeypatch.setattr(trial.benching, "time_engines", trial.benching.time_engines)  # to put back
    monkeypatch.setattr(trial, "BenchPlan", partial(BenchPlan, max_warmup_s=0.2))
    delay_ns = 5e6
    asked = argparse.Namespace(
        bundle=make_bundle().path, into=tmp_path, seconds=0.2, threads=1, delay_ns=delay_ns
    )
    trial.measure(asked)
    first, second = (record["samples"]["latency_ns"] for record in read_records(tmp_path))
    assert min(map(min, second)) >= delay_ns > min(map(min, first))


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [([False, False, True], 0), ([False, True, True], 1), ([False, False, False], 1)],
)
def test_a_false_alarm_and_a_miss_are_both_failures(trial, monkeypatch, capsys, verdicts, code):
    given = iter(verdicts)
    delays: list[float] = []

    def compared(asked, folder, delay_ns=0):
        delays.append(delay_ns)
        return next(given)

    monkeypatch.setattr(trial, "compared", compared)
    monkeypatch.setattr(trial, "read_records", lambda folder: [{"p50_ms": 2.0}])
    monkeypatch.setattr(sys, "argv", ["compare_trial", "bundle", "--times", "2"])
    assert trial.main() == code
    assert delays == [0, 0, pytest.approx(0.2e6)]
