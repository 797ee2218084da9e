import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefer_bench.metrics import accuracy_drop, evaluate
from edgefer_runtime.errors import CheckError, DataError

predictions = st.integers(1, 120).flatmap(
    lambda n: st.tuples(
        *(st.lists(st.integers(0, 3), min_size=n, max_size=n).map(np.array) for _ in range(3))
    )
)


def probabilities_of(predicted, confidence=0.7):
    return np.where(np.eye(4)[predicted] == 1, confidence, (1 - confidence) / 3)


def test_a_drop_counted_by_hand():
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
    reference = np.array([0, 0, 0, 2, 1, 1, 1, 1, 2, 2])
    engine = np.array([0, 2, 2, 0, 1, 1, 1, 2, 3, 2])
    found = accuracy_drop(
        probabilities_of(reference, 0.9),
        probabilities_of(engine, 0.6),
        labels,
        classes=["a", "b", "c", "d"],
        attributes={"yaw": np.array([0, 45] * 5)},
    )
    assert (found.lost, found.won, found.images) == (3, 1, 10)
    assert found.points == 20
    assert found.interval[0] < 20 < found.interval[1]
    assert found.mcnemar_p == pytest.approx(2 * 5 / 16)
    assert found.flips == 50
    assert found.confidence_shift == pytest.approx(-30)
    assert {name: rate.value for name, rate in found.per_class.items()} == {
        "a": 25,
        "b": pytest.approx(100 / 6),
    }
    assert {name: (rate.value, rate.images) for name, rate in found.per_yaw.items()} == {
        "0": (20, 5),
        "45": (20, 5),
    }
    assert json.loads(json.dumps(found.to_json()))["points"] == 20


@given(predictions)
def test_a_drop_is_the_difference_of_two_evaluations(arrays):
    reference, engine, labels = arrays
    before, after = probabilities_of(reference), probabilities_of(engine)
    found = accuracy_drop(before, after, labels)
    classes = ["a", "b", "c", "d"]
    expected = (
        evaluate(before, labels, classes=classes).accuracy - evaluate(after, labels, classes=classes).accuracy
    )
    assert found.points == pytest.approx(expected)
    assert found.interval[0] <= found.points <= found.interval[1]


@given(predictions)
def test_a_drop_is_antisymmetric(arrays):
    reference, engine, labels = arrays
    subjects = {"subject": np.arange(len(labels)) % 7}
    there = accuracy_drop(
        probabilities_of(reference), probabilities_of(engine, 0.8), labels, attributes=subjects
    )
    back = accuracy_drop(
        probabilities_of(engine, 0.8), probabilities_of(reference), labels, attributes=subjects
    )
    assert back.points == -there.points
    assert back.interval == pytest.approx((-there.interval[1], -there.interval[0]), abs=1e-7)
    assert (back.mcnemar_p, back.flips) == (there.mcnemar_p, there.flips)
    assert back.confidence_shift == pytest.approx(-there.confidence_shift)
    if there.subject_interval is not None:
        low, high = there.subject_interval
        assert back.subject_interval == pytest.approx((-high, -low), abs=1e-9)


@given(predictions)
def test_nothing_is_lost_against_itself(arrays):
    engine, _, labels = arrays
    found = accuracy_drop(probabilities_of(engine), probabilities_of(engine), labels)
    assert (found.points, found.flips, found.confidence_shift, found.mcnemar_p) == (0, 0, 0, 1)
    assert found.interval[0] == pytest.approx(-found.interval[1])


def test_flips_show_what_the_drop_hides():
    labels = np.zeros(100, dtype=np.int64)
    reference, engine = np.arange(100) % 2, (np.arange(100) + 1) % 2
    found = accuracy_drop(probabilities_of(reference), probabilities_of(engine), labels)
    assert (found.points, found.flips) == (0, 100)


def test_subjects_who_lose_together_widen_the_interval_over_subjects():
    subjects = np.repeat(np.arange(20), 35)
    labels = np.zeros(700, dtype=np.int64)
    engine = np.where(np.isin(subjects, [3, 8]) & (np.arange(700) % 35 < 30), 1, 0)
    found = accuracy_drop(
        probabilities_of(labels), probabilities_of(engine), labels, attributes={"subject": subjects}
    )
    low, high = found.subject_interval
    assert high - low > 2 * (found.interval[1] - found.interval[0])


def test_what_cannot_be_compared_is_refused():
    labels = np.array([0, 1])
    good = probabilities_of(labels)
    with pytest.raises(DataError, match="shape"):
        accuracy_drop(good, good[:, :3], labels)
    with pytest.raises(DataError, match="shape"):
        accuracy_drop(good, good[:1], labels)
    with pytest.raises(CheckError):
        accuracy_drop(good, good * np.inf, labels)
