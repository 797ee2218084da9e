"""`make bench`: what it keeps, and what it says of two runs."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "tools/bench_edgefer.py"


@pytest.fixture
def script(monkeypatch):
    spec = importlib.util.spec_from_file_location("bench_edgefer", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    calls = iter(range(1, 10_000))
    monkeypatch.setattr(module, "BENCHMARKS", {"ours": lambda: ([1.0 + next(calls) * 1e-6] * 8, [0.5] * 8)})
    return module


def test_a_run_is_kept_and_the_next_compared_with_it(script, tmp_path, capsys):
    script.main(tmp_path, [])
    assert "first run here" in capsys.readouterr().out
    script.main(tmp_path, ["ours"])
    assert "2.00" in (told := capsys.readouterr().out) and "+0.0 %" in told
    assert len(list(tmp_path.glob("*.json"))) == 2
    strange = json.loads(next(tmp_path.glob("*.json")).read_text()) | {"machine": {"cpu": "another"}}
    for path in tmp_path.glob("*.json"):
        path.write_text(json.dumps(strange))
    script.main(tmp_path, [])
    assert "first run here" in capsys.readouterr().out, "another machine's times say nothing here"


def test_slower_is_said_with_an_interval(script):
    before = {"ours_s": [1.0, 1.01, 1.02, 1.0, 1.01, 1.02], "plain_s": []}
    assert script.change([1.2, 1.21, 1.22, 1.2], before).endswith("slower")
    assert script.change([0.8, 0.81, 0.82, 0.8], before).endswith("faster")
    assert script.change(before["ours_s"], before).endswith("no difference seen")


def test_both_take_turns_and_the_first_does_not_count(script):
    calls: list[str] = []
    ours, plain = script.turns(lambda: calls.append("ours"), lambda: calls.append("plain"), 3)
    assert calls == ["ours", "plain"] * 4 and len(ours) == len(plain) == 3
    assert script.turns(lambda: None, None, 2)[1] == []


def test_every_benchmark_has_a_name_that_make_takes():
    spec = importlib.util.spec_from_file_location("bench_edgefer", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert {*module.BENCHMARKS} == {"command_start", "runtime_call", "export", "renderer", "training"}
