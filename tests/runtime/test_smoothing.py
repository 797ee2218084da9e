"""What is believed of a face over time, whatever the frame rate."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgefer_runtime.smoothing import FIRST_S, Belief

rows = st.lists(st.lists(st.floats(0.01, 1), min_size=3, max_size=3), min_size=1, max_size=12).map(
    lambda values: [np.array(row, np.float32) / np.float32(sum(row)) for row in values]
)


@settings(deadline=None, max_examples=40)
@given(rows, st.integers(2, 6), st.floats(0.05, 2))
def test_more_frames_a_second_say_the_same(spans: list[np.ndarray], factor: int, constant_s: float) -> None:
    """Each row lasts a tenth of a second, seen once in it, or several times."""
    slow, fast = Belief(constant_s), Belief(constant_s)
    fast.update(spans[0], 0.0)
    believed = slow.update(spans[0], 0.0)
    assert np.array_equal(believed, slow.update(spans[0], 0.0)), "no time has passed"
    for number, row in enumerate(spans, start=1):
        believed = slow.update(row, number / 10)
        for part in range(1, factor + 1):
            finer = fast.update(row, (number - 1 + part / factor) / 10)
        np.testing.assert_allclose(finer, believed, atol=1e-5)


@settings(deadline=None, max_examples=40)
@given(rows, st.floats(0, 2), st.lists(st.floats(0, 1), min_size=12, max_size=12))
def test_a_belief_is_a_mean_of_what_was_seen(
    seen: list[np.ndarray], constant_s: float, spans_s: list[float]
) -> None:
    belief, time_s = Belief(constant_s), 100.0
    for number, row in enumerate(seen):
        time_s += spans_s[number]
        believed = belief.update(row, time_s)
        assert believed.dtype == np.float32 and believed.sum() == pytest.approx(1, abs=1e-5)
        so_far = np.stack(seen[: number + 1])
        assert (believed >= so_far.min(0) - 1e-6).all() and (believed <= so_far.max(0) + 1e-6).all()
    if not constant_s:
        assert np.array_equal(believed, seen[-1])


def test_a_change_is_halfway_believed_after_seven_tenths_of_the_constant() -> None:
    before, after = np.array([1, 0], np.float32), np.array([0, 1], np.float32)
    belief = Belief(0.3)
    for frame in range(300):
        belief.update(before, frame / 30)
    believed = [belief.update(after, 10 + (frame - 1) / 1000)[1] for frame in range(1, 400)]
    assert np.searchsorted(believed, 0.5) / 1000 == pytest.approx(0.7 * 0.3, abs=0.035)


def test_the_first_frame_does_not_outweigh_the_second() -> None:
    belief = Belief(0.3)
    belief.update(np.array([1, 0], np.float32), 0.0)
    assert belief.update(np.array([0, 1], np.float32), FIRST_S)[1] == pytest.approx(0.5, abs=0.06)
