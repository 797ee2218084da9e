"""Slower or not: synthetic runs whose truth is known, and engines really timed."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from edgefer_bench.comparison import _verdict, compare, require_not_slower
from edgefer_bench.comparison_page import comparison_html, comparison_markdown
from edgefer_bench.comparison_table import comparison_table
from edgefer_bench.statistics import unpaired_ratio
from edgefer_bench.timing import blocks
from edgefer_runtime.benching import spread, time_engines
from edgefer_runtime.classifier import Classifier
from edgefer_runtime.errors import CheckError, DataError, DeviceError

STABLE = {"stable": True, "reasons": []}
MACHINE = {
    "cpu": "EPYC",
    "board": None,
    "architecture": "x86_64",
    "cores": 2,
    "packages": {"onnxruntime": "1.31.1"},
}


def record(latency_ns, *, run="1", correct="1101", **changes):
    medians = [float(np.median(block)) for block in latency_ns]
    fields = {
        "run": run,
        "model": "colour",
        "variant": "plain",
        "target": "onnxruntime",
        "precision": "fp32",
        "scenario": "single stream",
        "batch": 1,
        "threads": 1,
        "p50_ms": float(np.median(medians)) / 1e6,
        "faces": {"name": "colours:test", "fingerprint": "f"},
        "environment": MACHINE,
        "stability": STABLE,
        "samples": {"latency_ns": [list(map(int, block)) for block in latency_ns], "correct": correct},
    }
    return {**fields, **changes}


def wandering(generator, *, scale=1.0, count=60):
    """Blocks of a machine whose speed drifts by a percent or two within a run."""
    drift = 1 + 0.015 * np.cumsum(generator.normal(size=count)) / np.sqrt(count)
    noise = generator.lognormal(0, 0.05, size=(count, 20))
    return scale * 1e6 * drift[:, None] * noise


@pytest.mark.parametrize("same_run", [True, False], ids=["one run", "two runs"])
def test_a_tenth_slower_is_found_and_equals_are_not(same_run):
    generator = np.random.default_rng(0)
    runs = ("1", "1") if same_run else ("1", "2")
    slowdowns = [(1.0, "equal")] * 10 + [(1.1, "slower")] * 10
    for scale, truth in slowdowns:
        before = wandering(generator)
        after = before * generator.lognormal(0, 0.02, size=before.shape) if same_run else wandering(generator)
        (found,) = compare([record(before, run=runs[0])], [record(scale * after, run=runs[1])], limit=0.03)
        assert found.how == ("paired blocks of one run" if same_run else "parts of two runs")
        assert (found.verdict == "slower") == (truth == "slower"), found
        assert found.ratio.interval[0] < found.ratio.value < found.ratio.interval[1]


def test_engines_really_timed(make_bundle, faces):
    """Eleven equal engines, ten comparisons with the first; and one that is made a tenth slower."""
    path = make_bundle(work=1)
    classifiers = [Classifier.open(path, threads=1) for _ in range(12)]
    slow = classifiers[-1].engine.run

    def slower(images):
        begin = time.perf_counter_ns()
        answer = slow(images)
        until = begin + 1.1 * (time.perf_counter_ns() - begin)
        while time.perf_counter_ns() < until:
            pass
        return answer

    classifiers[-1].engine.run = slower
    # On a busy machine a second is not enough to tell; then, as the verdict says, measure longer.
    for duration_s in (1.0, 2.0, 4.0):
        measured = time_engines(classifiers, spread(faces.images, 1), duration_s=duration_s, max_warmup_s=0.5)
        first, *others = [record(blocks(samples)) for samples in measured.samples.values()]
        verdicts = [compare([first], [other], limit=0.03)[0].verdict for other in others]
        assert "slower" not in verdicts[:10], verdicts
        if verdicts[10] == "slower":
            break
    assert verdicts[10] == "slower", compare([first], [others[10]], limit=0.03)


def test_the_exit_code_follows_the_interval():
    generator = np.random.default_rng(1)
    before, after = record(wandering(generator)), record(1.2 * wandering(generator), run="2")
    comparisons = compare([before], [after], limit=0.03)
    with pytest.raises(CheckError, match="slower, between") as caught:
        require_not_slower(comparisons, 0.03)
    assert caught.value.exit_code == 4
    require_not_slower(compare([after], [before], limit=0.03), 0.03)


def test_too_little_to_tell_is_undecided():
    generator = np.random.default_rng(2)
    few = wandering(generator, count=3)
    (found,) = compare([record(few)], [record(1.5 * few, run="2")], limit=0.03)
    assert found.ratio.interval is None and found.verdict == "undecided"


def test_from_four_runs_a_side_runs_are_compared():
    generator = np.random.default_rng(3)
    sides = [
        [
            record(wandering(generator, scale=scale * day), run=f"{scale}-{place}")
            for place, day in enumerate([1, 1.1, 0.95, 1.05])
        ]
        for scale in (1.0, 1.02)
    ]
    (found,) = compare(*sides, limit=0.03)
    assert found.how == "runs" and found.verdict == "undecided"


def test_accuracy_is_compared_face_by_face():
    blocks = wandering(np.random.default_rng(4))
    before, after = record(blocks, correct="1" * 90 + "0" * 10), record(blocks, correct="1" * 80 + "0" * 20)
    (found,) = compare([before], [after], limit=0.03)
    assert found.accuracy == -10 and found.accuracy_interval[1] < 0
    other = {**after, "faces": {"name": "others", "fingerprint": "g"}}
    assert compare([before], [other], limit=0.03)[0].accuracy is None


def test_what_else_differs_is_listed():
    blocks = wandering(np.random.default_rng(5))
    environment = {**MACHINE, "packages": {"onnxruntime": "1.32.0"}, "governor": "powersave"}
    shaky = {"stable": False, "reasons": ["the later half of the blocks is +9.0 % off the earlier"]}
    after = record(blocks, run="2", environment=environment, stability=shaky)
    (found,) = compare([record(blocks)], [after], limit=0.03)
    assert "onnxruntime: 1.31.1 -> 1.32.0" in found.differences
    assert "governor: None -> powersave" in found.differences
    assert any(text.startswith("after was unstable: the later half") for text in found.differences)


def test_two_machines_are_refused_unless_meant():
    blocks = wandering(np.random.default_rng(6))
    other = record(blocks, run="2", environment={**MACHINE, "cpu": "Cortex-A76"})
    with pytest.raises(DeviceError, match="EPYC before, Cortex-A76 after"):
        compare([record(blocks)], [other], limit=0.03)
    (found,) = compare([record(blocks)], [other], limit=0.03, across_machines=True)
    assert "cpu: EPYC -> Cortex-A76" in found.differences


def test_stores_are_matched_engine_by_engine_and_the_newest_counts():
    generator = np.random.default_rng(7)
    fp32, int8 = (record(wandering(generator), precision=name) for name in ("fp32", "int8"))
    old = record(3 * wandering(generator), run="0")
    found = compare([old, fp32, int8], [int8, fp32], limit=0.03)
    assert [each.engine for each in found] == [
        "colour plain onnxruntime fp32",
        "colour plain onnxruntime int8",
    ]
    assert found[0].before_ms == fp32["p50_ms"]
    with pytest.raises(DataError, match="no engine is in both"):
        compare([fp32, fp32], [int8], limit=0.03)
    assert compare([fp32], [int8], limit=0.03)[0].engine == (
        "colour plain onnxruntime int8 against colour plain onnxruntime fp32"
    )


@settings(max_examples=60)
@given(st.integers(4, 12), st.integers(4, 12), st.integers(0, 2**31), st.floats(0.5, 2))
def test_unpaired_intervals_turn_round_and_scale(first, second, seed, scale):
    generator = np.random.default_rng(seed)
    over, under = generator.lognormal(0, 0.1, first), generator.lognormal(0, 0.1, second)
    ratio, turned = unpaired_ratio(over, under), unpaired_ratio(under, over)
    scaled = unpaired_ratio(scale * over, under)
    assert ratio.interval[0] <= ratio.value <= ratio.interval[1]
    assert ratio.interval == pytest.approx((1 / turned.interval[1], 1 / turned.interval[0]))
    assert scaled.value == pytest.approx(scale * ratio.value)


def test_the_rank_sum_cut_is_that_of_the_tables():
    # Mann and Whitney's critical values, two-sided 5 %: U <= 23 for 10 and 10, <= 0 for 4 and 4
    # (tables give the largest U that is significant, and a cut counts those).
    from edgefer_bench.statistics import _rank_sum_cut

    assert _rank_sum_cut(10, 10, 0.025) == 24
    assert _rank_sum_cut(4, 4, 0.025) == 1
    assert _rank_sum_cut(3, 3, 0.025) == 0
    assert _rank_sum_cut(5, 8, 0.025) == 7


@pytest.mark.parametrize(("over", "under"), [([], [1.0]), ([1.0], [0.0])])
def test_times_that_do_not_compare(over, under):
    with pytest.raises(ValueError, match="do not compare"):
        unpaired_ratio(over, under)


@pytest.mark.parametrize("same_run", [True, False], ids=["one run", "two runs"])
def test_a_run_that_is_30_percent_faster_is_called_faster_everywhere(same_run):
    """`edgefer compare` called it "not slower". Right: faster, and by how much, in every form."""
    generator = np.random.default_rng(1)
    slow = record(wandering(generator), run="1")
    fast = record(wandering(generator, scale=0.7), run="1" if same_run else "2")
    (found,) = compare([slow], [fast], limit=0.03)
    (back,) = compare([fast], [slow], limit=0.03)
    assert (found.verdict, back.verdict) == ("faster", "slower")
    assert found.change_percent == pytest.approx(-30, abs=3)
    low, high = found.change_interval
    assert low < -30 + 3 and high < 0 and low <= found.change_percent <= high
    told = f"{-found.change_percent:.1f} % faster (95 % interval {-high:.1f} to {-low:.1f})"
    assert told in found.sentence
    assert f"{back.change_percent:.1f} % slower (95 % interval" in back.sentence
    document = found.to_json()
    assert (document["verdict"], document["change_interval"]) == ("faster", (low, high))
    terminal = io.StringIO()
    Console(file=terminal, width=300).print(*comparison_table([found, back]))
    for text in (terminal.getvalue(), comparison_markdown([found, back]), comparison_html([found, back])):
        assert told in text and "faster" in text and "slower" in text


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((0.69, 0.71), "faster"),
        ((0.98, 0.999), "faster"),
        ((0.98, 1.0), "not slower"),
        ((0.99, 1.02), "not slower"),
        ((1.01, 1.03), "not slower"),
        ((1.02, 1.05), "undecided"),
        ((0.9, 1.1), "undecided"),
        ((1.04, 1.05), "slower"),
        (None, "undecided"),
    ],
)
def test_the_verdict_of_an_interval(interval, verdict):
    assert _verdict(interval, 1.03) == verdict
