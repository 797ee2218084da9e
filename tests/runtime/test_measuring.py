"""The timing loop: what it times, in which order, and when it believes a warm-up."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefer_runtime.errors import DataError, UsageError
from edgefer_runtime.measuring import TREND_POINTS, MeasureSettings, is_level, measure

QUICK = MeasureSettings(
    duration_s=0.05,
    block_calls=10,
    min_warmup_calls=100,
    min_warmup_s=0.01,
    max_warmup_s=0.3,
    warmup_tolerance=0.5,
)


@pytest.fixture
def inputs(faces: np.ndarray) -> list[np.ndarray]:
    return list(faces)


class Clock:
    """Time that passes in calls alone, whatever else the machine has to do."""

    now_ns = 0

    def perf_counter_ns(self) -> int:
        return self.now_ns

    def monotonic(self) -> float:
        return self.now_ns / 1e9

    def wait(self, microseconds: float) -> None:
        self.now_ns += int(1000 * microseconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("edgefer_runtime.measuring.time", clock)
    return clock


def wait(microseconds: float) -> Callable[[np.ndarray], None]:
    """A subject that takes this long."""

    def subject(_: np.ndarray) -> None:
        until = time.perf_counter_ns() + microseconds * 1000
        while time.perf_counter_ns() < until:
            pass

    return subject


def test_times_what_the_subjects_take(inputs: list[np.ndarray], clock: Clock) -> None:
    subjects = {"short": lambda _: clock.wait(50), "long": lambda _: clock.wait(200)}
    measured = measure(subjects, inputs, QUICK)
    short, long = measured.samples["short"].latency_ns, measured.samples["long"].latency_ns
    assert short.dtype == long.dtype == np.int64
    assert (short == 50_000).all() and (long == 200_000).all()
    assert measured.duration_s >= 2 * QUICK.duration_s


def test_blocks_take_turns_in_the_order_abba_and_keep_every_call(inputs: list[np.ndarray]) -> None:
    calls: list[str] = []
    subjects = {name: lambda _, name=name: calls.append(name) for name in "ABC"}
    measured = measure(subjects, inputs, QUICK)
    assert len(measured.order) % 2 == 0
    assert set(measured.order[::2]) | set(measured.order[1::2]) == {tuple("ABC"), tuple("CBA")}
    assert all(
        first == second[::-1] for first, second in zip(measured.order, measured.order[1:], strict=False)
    )
    lead_in = QUICK.block_calls // 5  # to find the caches again
    expected = [
        name for order in measured.order for name in order for _ in range(lead_in + QUICK.block_calls)
    ]
    assert calls[-len(expected) :] == expected
    for name, samples in measured.samples.items():
        assert samples.warmup_calls == calls[: -len(expected)].count(name)
        rounds = np.repeat(np.arange(len(measured.order)), QUICK.block_calls)
        assert np.array_equal(samples.block, rounds)


def test_an_engine_between_others_is_not_slower_for_it(inputs: list[np.ndarray], clock: Clock) -> None:
    """Of A B C C B A, the one in the middle follows itself, and finds its caches as it left them."""
    last: list[str] = []

    def subject(name: str) -> Callable[[np.ndarray], None]:
        def call(_: np.ndarray) -> None:
            clock.wait(100 if last[-1:] == [name] else 300)
            last.append(name)

        return call

    settings = replace(QUICK, block_calls=5)
    measured = measure({name: subject(name) for name in "ABC"}, inputs, settings)
    first = {name: samples.latency_ns.reshape(-1, 5)[:, 0] for name, samples in measured.samples.items()}
    assert all((calls == 100_000).all() for calls in first.values())


def test_rotates_over_all_inputs(inputs: list[np.ndarray]) -> None:
    seen: list[int] = []
    index = {image.tobytes(): number for number, image in enumerate(inputs)}
    measured = measure({"A": lambda image: seen.append(index[image.tobytes()])}, inputs, QUICK)
    block, lead_in = QUICK.block_calls, QUICK.block_calls // 5
    timed = [number for place, number in enumerate(seen) if place % (block + lead_in) >= lead_in]
    assert timed == [call % len(inputs) for call in range(len(timed))]
    assert measured.inputs == len(inputs)


def test_no_garbage_collection_while_timing(inputs: list[np.ndarray]) -> None:
    states: set[bool] = set()
    measure({"A": lambda _: states.add(gc.isenabled())}, inputs, QUICK)
    assert states == {False} and gc.isenabled()


def test_collection_comes_back_after_a_failure(inputs: list[np.ndarray]) -> None:
    def fail(_: np.ndarray) -> None:
        raise RuntimeError("the engine fell over")

    with pytest.raises(RuntimeError, match="fell over"):
        measure({"A": fail}, inputs, QUICK)
    assert gc.isenabled()


def test_warm_up_waits_for_a_level(inputs: list[np.ndarray], clock: Clock) -> None:
    calls = 0

    def settling(_: np.ndarray) -> None:
        nonlocal calls
        calls += 1
        clock.wait(max(20.0, 400 - calls))

    settings = MeasureSettings(
        duration_s=0.01, block_calls=10, min_warmup_calls=10, min_warmup_s=0, warmup_tolerance=0.15
    )
    measured = measure({"A": settling}, inputs, settings)
    assert measured.samples["A"].stable
    assert measured.samples["A"].warmup_calls >= 380, "ended while it still got faster"


def test_a_warm_up_that_never_settles_says_so(inputs: list[np.ndarray], clock: Clock) -> None:
    calls = 0

    def ever_slower(_: np.ndarray) -> None:
        nonlocal calls
        calls += 1
        clock.wait(5 + calls)

    settings = MeasureSettings(
        duration_s=0.01, block_calls=5, min_warmup_s=0, max_warmup_s=0.1, warmup_tolerance=0.01
    )
    measured = measure({"A": ever_slower}, inputs, settings)
    assert not measured.samples["A"].stable
    assert 0.1 <= measured.warmup_s < 0.3


def test_warm_up_has_its_least_calls_and_seconds(inputs: list[np.ndarray]) -> None:
    easy = {"duration_s": 0.001, "block_calls": 10, "warmup_tolerance": 1e9}
    by_calls = measure({"A": wait(1)}, inputs, MeasureSettings(min_warmup_calls=995, min_warmup_s=0, **easy))
    assert by_calls.samples["A"].warmup_calls == 1200, "100 blocks of ten calls, and two before each"
    by_time = measure({"A": wait(1)}, inputs, MeasureSettings(min_warmup_calls=1, min_warmup_s=0.1, **easy))
    assert by_time.warmup_s >= 0.1


def test_progress_runs_to_the_end(inputs: list[np.ndarray]) -> None:
    told: list[tuple[str, float]] = []
    measure({"A": wait(10)}, inputs, QUICK, lambda phase, part: told.append((phase, part)))
    assert [phase for phase, _ in told] == sorted((phase for phase, _ in told), reverse=True)
    assert {phase for phase, _ in told} == {"warm-up", "measure"}
    parts = [part for phase, part in told if phase == "measure"]
    assert parts == sorted(parts) and parts[0] >= 0 and parts[-1] <= 1


def test_too_few_different_inputs_are_refused(inputs: list[np.ndarray]) -> None:
    with pytest.raises(DataError, match=r"63 different inputs.*\n.*at least 64"):
        measure({"A": wait(1)}, inputs[:63] + inputs[:10], QUICK)
    with pytest.raises(UsageError, match="nothing to measure"):
        measure({}, inputs, QUICK)
    with pytest.raises(UsageError, match="duration_s=0"):
        MeasureSettings(duration_s=0)


noise = st.lists(st.floats(-0.001, 0.001), min_size=TREND_POINTS, max_size=30)


@given(noise, st.floats(1e3, 1e8))
def test_noise_is_level(parts: list[float], level: float) -> None:
    assert is_level([level * (1 + part) for part in parts], 0.02)


@given(noise, st.floats(1e3, 1e8), st.floats(0.005, 0.1), st.sampled_from([-1, 1]))
def test_a_trend_is_not_level(parts: list[float], level: float, step: float, sign: int) -> None:
    medians = [
        level * (10 + sign * step * 10 * place / len(parts) + part) for place, part in enumerate(parts)
    ]
    steeper = [
        level * (1 + sign * step * place / 4 + part) for place, part in enumerate(parts[-TREND_POINTS:])
    ]
    assert is_level(medians, 1.0)
    assert not is_level(steeper, 0.005)


def test_one_disturbed_block_tilts_nothing() -> None:
    assert is_level([100.0] * 7 + [900.0], 0.01)
    assert not is_level([100.0] * 7, 0.01), "too few to tell"
    assert is_level([500.0, 400.0, 300.0] + [100.0] * TREND_POINTS, 0.01), "only the last ones count"


def test_noise_of_a_busy_machine_is_not_called_a_trend() -> None:
    """Two percent a block: eight blocks in a row then often seem to rise or fall by one."""
    generator = np.random.default_rng(0)
    runs = [list(1e6 * (1 + 0.02 * generator.normal(size=40))) for _ in range(200)]
    assert np.mean([is_level(run, 0.01) for run in runs]) > 0.9
    falling = [[median * (1 - 0.005 * place) for place, median in enumerate(run)] for run in runs]
    assert np.mean([is_level(run, 0.01) for run in falling]) < 0.2


def test_a_slow_fall_is_no_level_however_little_of_it_eight_blocks_see() -> None:
    """A fifth, gone within some tens of seconds, in blocks of a twentieth of one."""
    medians = list(1e6 * (1 + 0.2 * np.exp(-np.arange(100) * 0.05 / 20)))
    assert medians[-8] / medians[-1] < 1.004
    assert not is_level(medians, 0.01)
    assert not is_level(medians[:7], 0.01), "too few to tell"
