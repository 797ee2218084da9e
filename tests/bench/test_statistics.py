import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefer_bench.statistics import (
    judge_stability,
    paired_ratio,
    percentile,
    percentile_upper_bound,
    summarise_latency,
)

times = st.integers(1, 10**9)


def latencies(generator, *, rounds=30, per_block=40, scale=1.0):
    """Block medians of a subject in ms: right-skewed calls with rare interruptions."""
    calls = 5 * scale * generator.lognormal(0, 0.05, size=(rounds, per_block))
    calls[generator.random(calls.shape) < 0.01] *= 4
    return np.median(calls, axis=1)


def machine(generator, rounds=30):
    """How slow the machine happens to be in each round, the same for all subjects in it."""
    return np.exp(np.cumsum(generator.normal(0, 0.03, size=rounds)))


@given(st.lists(times, min_size=1, max_size=300), st.sampled_from([50, 90, 95, 99, 99.9]))
def test_a_percentile_is_a_sample_with_that_share_at_or_below(samples, percent):
    found = percentile(np.array(samples), percent)
    if len(samples) * (100 - percent) / 100 < 1 - 1e-9:
        assert found is None
        return
    assert found in samples
    assert sum(s <= found for s in samples) >= len(samples) * percent / 100 - 1e-9
    assert sum(s < found for s in samples) < len(samples) * percent / 100


@pytest.mark.parametrize(("percent", "fewest"), [(50, 11), (90, 64), (99, 662)])
def test_a_bound_asks_for_as_many_samples_as_order_statistics_need(percent, fewest):
    assert percentile_upper_bound(np.arange(fewest - 1), percent) is None
    assert percentile_upper_bound(np.arange(fewest), percent) == fewest - 2


def test_a_bound_is_the_order_statistic_of_the_exact_binomial():
    # r with P(Binomial(1000, 0.1) <= r) <= 0.01, summed here with integers.
    below = 0
    for allowed in range(1001):
        below += math.comb(1000, allowed) * 9 ** (1000 - allowed)
        if below * 100 > 10**1000:
            break
    assert percentile_upper_bound(np.arange(1, 1001), 90) == 1000 - (allowed - 1)


@pytest.mark.parametrize(("percent", "count"), [(90, 64), (90, 500), (99, 2000)])
def test_a_bound_covers_the_true_percentile(percent, count):
    generator = np.random.default_rng(5)
    truth = -math.log(1 - percent / 100)
    covered = np.mean(
        [percentile_upper_bound(generator.exponential(size=count), percent) >= truth for _ in range(3000)]
    )
    assert covered > 0.985


@given(st.lists(times, min_size=64, max_size=2000))
def test_a_bound_is_not_below_its_percentile(samples):
    samples = np.array(samples)
    assert percentile(samples, 90) <= percentile_upper_bound(samples, 90) <= samples.max()


def test_a_summary_keeps_the_slow_calls_and_admits_too_few():
    latency_ns = np.array([1_000_000] * 99 + [900_000_000])
    found = summarise_latency(latency_ns)
    assert (found["samples"], found["p50_ms"], found["max_ms"]) == (100, 1.0, 900.0)
    assert found["mean_ms"] == pytest.approx(9.99)
    assert (found["p99_ms"], found["p99_upper_ms"], found["p99.9_ms"]) == (1.0, None, None)
    assert found["p90_upper_ms"] == 1.0
    with pytest.raises(ValueError, match="no samples"):
        summarise_latency(np.array([]))


@given(st.lists(st.tuples(times, times), min_size=1, max_size=40))
def test_a_ratio_is_antisymmetric_and_one_against_itself(pairs):
    first, second = np.array(pairs, dtype=float).T
    there, back = paired_ratio(first, second), paired_ratio(second, first)
    assert there.value == pytest.approx(1 / back.value)
    assert (there.interval is None) == (len(pairs) < 6)
    if there.interval:
        low, high = there.interval
        assert low <= there.value <= high
        assert back.interval == pytest.approx((1 / high, 1 / low))
    assert paired_ratio(first, first).value == 1


def test_a_ratio_is_exact_when_every_block_doubles():
    found = paired_ratio([2.0, 4.0, 6.0, 8.0, 10.0, 12.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    assert found.value == pytest.approx(2)
    assert found.interval == pytest.approx((2, 2))


@pytest.mark.parametrize("scale", [1.0, 1.1, 0.5])
@pytest.mark.parametrize("rounds", [8, 30, 120])
def test_a_ratio_covers_the_truth_on_a_machine_that_wanders(scale, rounds):
    generator = np.random.default_rng(11)
    runs, covered = 200, 0
    for _ in range(runs):
        speed = machine(generator, rounds)
        low, high = paired_ratio(
            latencies(generator, rounds=rounds, scale=scale) * speed,
            latencies(generator, rounds=rounds) * speed,
        ).interval
        covered += low <= scale <= high
    assert covered / runs > 0.9


def test_a_slowdown_of_three_percent_is_found_where_unpaired_medians_drown_it():
    generator = np.random.default_rng(2)
    speed = machine(generator)
    low, high = paired_ratio(latencies(generator, scale=1.03) * speed, latencies(generator) * speed).interval
    assert 1 < low < 1.03 < high < 1.06
    assert np.ptp(speed) > 0.1


@pytest.mark.parametrize(("first", "second"), [([], []), ([1.0], [1.0, 2.0]), ([1.0, 0.0], [1.0, 1.0])])
def test_blocks_that_do_not_pair_are_refused(first, second):
    with pytest.raises(ValueError, match="pair"):
        paired_ratio(first, second)


def test_a_quiet_run_is_stable_and_covers_one_against_itself():
    generator = np.random.default_rng(0)
    verdicts = [judge_stability(latencies(generator)) for _ in range(100)]
    assert all(verdict.stable for verdict in verdicts)
    assert np.mean([low <= 1 <= high for low, high in (v.null_ratio.interval for v in verdicts)]) > 0.88


@pytest.mark.parametrize(
    ("speed", "reason"),
    [
        (np.linspace(1, 1.3, 32), "later half"),
        (np.tile([1.2, 1.0, 1.0, 1.2], 8), "against itself"),
        (1 + 0.4 * (np.arange(32) % 3 == 0), "spreads"),
    ],
)
def test_an_unstable_run_says_why(speed, reason):
    verdict = judge_stability(latencies(np.random.default_rng(0), rounds=32) * speed)
    assert not verdict.stable
    assert any(reason in text for text in verdict.reasons)


def test_a_steady_drift_is_no_difference_of_a_subject_from_itself():
    low, high = judge_stability(
        latencies(np.random.default_rng(0)) * np.linspace(1, 2, 30)
    ).null_ratio.interval
    assert low < 1 < high


def test_a_warm_up_that_never_levelled_is_a_reason():
    medians = latencies(np.random.default_rng(0))
    assert "warm-up" in judge_stability(medians, warm=False).reasons[0]


def test_too_few_blocks_are_no_verdict_of_stability():
    assert "too few" in judge_stability([1.0] * 4).reasons[0]
    with pytest.raises(ValueError, match="two blocks"):
        judge_stability([1.0])
