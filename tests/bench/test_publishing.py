"""What keeps a run from being published, and what its second table shows."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from edgefer_bench.further_table import further_table
from edgefer_bench.publishing import doubts, require_publishable
from edgefer_runtime.errors import CheckError

GOOD = {
    "model": "pattlite",
    "target": "onnxruntime",
    "precision": "int8",
    "stability": {"stable": True, "reasons": []},
    "settings": {"duration_s": 600.0},
    "latency": {"samples": 400_000, "p99_upper_ms": 1.5},
    "conditions": {"throttled_by": []},
    "environment": {"warnings": []},
    "load_ms": 31.0,
    "first_call_ms": 4.0,
    "peak_memory_mb": 90.0,
    "times": {"kernel": {"p50_ms": None}, "infer": {"p50_ms": 1.5}, "pipeline": {"p50_ms": 1.75}},
    "energy": {"net_mj": None},
}


def test_a_long_quiet_run_may_be_published():
    assert doubts(GOOD) == []
    require_publishable([GOOD, GOOD])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"stability": {"stable": False, "reasons": ["the later half is +9.0 % off"]}}, "later half"),
        ({"settings": {"duration_s": 10.0}}, "10 s an engine"),
        ({"latency": {"samples": 600, "p99_upper_ms": None}}, "600 calls are too few"),
        ({"conditions": {"throttled_by": ["under-voltage"]}}, "held back by under-voltage"),
        ({"environment": {"warnings": ["frequency governor is powersave"]}}, "powersave"),
    ],
)
def test_what_speaks_against_it_is_said(change, reason):
    with pytest.raises(CheckError, match=reason) as caught:
        require_publishable([GOOD, {**GOOD, **change, "precision": "fp32"}])
    assert "(onnxruntime fp32)" in caught.value.found
    assert caught.value.exit_code == 4


def shown(records):
    console = Console(file=io.StringIO(), width=120)
    console.print(further_table(records))
    return console.file.getvalue()


def test_only_what_was_measured_has_a_column():
    text = shown([GOOD])
    assert "pipeline" in text and "1.75" in text and "memory" in text
    assert "energy" not in text and "camera" not in text and "kernel\n" not in text.split("\n", 1)[1]
    camera = {"arrived": 300, "dropped": 20, "missed": 10, "jitter": {"p90_ms": 0.5}}
    wide = shown([{**GOOD, "scenarios": {"camera": camera}, "energy": {"net_mj": 12.5}}, GOOD])
    assert "10.0" in wide and "0.50" in wide and "12.5" in wide and "–" in wide
