"""The verdict on engines whose latencies and drops are made up, so that the right one is known."""

import json
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefer_bench.verdict import judge
from edgefer_runtime.measuring import Measurement, MeasureSettings, Samples

KEPT = {"points": 0.1, "interval": (-0.2, 0.4)}
LOST = {"points": 1.4, "interval": (0.9, 2.1)}
FLOAT = {"points": 0.0, "interval": (0.0, 0.0)}
CALLS = 5


def measured(latencies_us, noise=0.01, stable=True, blocks=12, seed=0):
    """Samples of engines of these median latencies, all slowed alike from block to block."""
    generator = np.random.default_rng(seed)
    weather = np.repeat(1 + 0.05 * generator.random(blocks), CALLS)
    samples = {}
    for position, latency_us in enumerate(latencies_us):
        spread = 1 + noise * generator.standard_normal(blocks * CALLS)
        latency_ns = (1000 * latency_us * weather * spread).astype(np.int64)
        samples[str(position)] = Samples(latency_ns, np.repeat(np.arange(blocks), CALLS), 100, stable)
    return Measurement(samples, (), 1.0, 1.0, 64, MeasureSettings())


@pytest.fixture(scope="session")
def verdict_on(make_bundle):
    bundle_of = cache(lambda target, precision: make_bundle(precision, target=target))

    def verdict(engines, limit_points=1.0, **timing):
        """``engines``: target, precision, microseconds, drop."""
        bundles = [bundle_of(target, precision) for target, precision, _, _ in engines]
        measurement = measured([latency for _, _, latency, _ in engines], **timing)
        return judge(bundles, [drop for *_, drop in engines], measurement, limit_points)

    return verdict


ENGINES = [
    ("onnxruntime", "fp32", 1000, FLOAT),
    ("onnxruntime", "int8", 600, KEPT),
    ("openvino", "fp32", 900, FLOAT),
    ("openvino", "int8", 350, KEPT),
]


def test_the_fastest_engine_whose_accuracy_holds(verdict_on):
    verdict = verdict_on(ENGINES)
    assert verdict.chosen == "openvino int8" and verdict.against == "onnxruntime fp32" and not verdict.notes
    assert verdict.reason.startswith("use openvino int8: 2.8") and "drop 0.10 [-0.20…0.40]" in verdict.reason
    found = {timed.engine: timed for timed in verdict.engines}["openvino int8"]
    assert found.speed.interval[0] < 1000 / 350 < found.speed.interval[1]
    assert found.speed_float.value == pytest.approx(900 / 350, rel=0.02)
    assert found.p50_ms == pytest.approx(0.36, rel=0.05)
    json.dumps(verdict.to_json())


def test_an_engine_whose_drop_may_be_too_large_is_named_and_not_chosen(verdict_on):
    losing = [*ENGINES[:3], ("openvino", "int8", 350, LOST)]
    verdict = verdict_on(losing)
    assert verdict.chosen == "onnxruntime int8"
    (note,) = verdict.notes
    assert note.startswith("openvino int8 is 2.8") and "2.10 points, more than 1" in note
    assert verdict_on(losing, limit_points=2.5).chosen == "openvino int8"


def test_an_int8_that_is_slower_than_float_is_said_to_be_so(verdict_on):
    verdict = verdict_on(
        [("onnxruntime", "fp32", 1000, FLOAT), ("onnxruntime", "int8", 1300, KEPT)],
    )
    assert verdict.chosen == "onnxruntime fp32"
    assert "nothing that keeps its accuracy is shown to be faster" in verdict.reason
    (note,) = verdict.notes
    assert note.startswith("onnxruntime int8 is slower than onnxruntime fp32 on this machine: 0.77")


def test_of_engines_that_cannot_be_told_apart_the_wider_precision(verdict_on):
    even = [("openvino", "fp32", 1000, FLOAT), ("openvino", "int8", 998, KEPT)]
    verdict = verdict_on(even, noise=0.05)
    assert verdict.chosen == "openvino fp32"
    assert any("openvino int8 is not shown to be faster than openvino fp32" in note for note in verdict.notes)


def test_an_unstable_machine_is_said(verdict_on):
    verdict = verdict_on(ENGINES, stable=False)
    assert verdict.chosen == "openvino int8"
    (note,) = verdict.notes
    assert "unstable timing of onnxruntime fp32, onnxruntime int8, openvino fp32, openvino int8" in note
    assert "warm-up ended before" in note
    hurried = verdict_on(ENGINES, blocks=4)
    assert hurried.chosen is None and hurried.reason.startswith("undecided")
    assert "too few to tell" in " ".join(hurried.notes)


@given(st.permutations(range(4)), st.integers(0, 50))
def test_the_order_of_the_engines_does_not_matter(verdict_on, order, seed):
    verdict = verdict_on([ENGINES[position] for position in order], seed=seed)
    assert verdict.chosen == "openvino int8" and verdict.against == "onnxruntime fp32"
