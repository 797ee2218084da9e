import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefer_bench.metrics import Drop, accuracy_drop, evaluate
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
    before, after = probabilities_of(reference), probabilities_of(engine, 0.6)
    attributes = {
        "yaw": np.array([-90.0, -45.0, 0.0, 45.0, 90.0])[np.arange(len(labels)) % 5],
        "occlusion": np.array(["none", "mask"])[np.arange(len(labels)) % 2],
    }
    found = accuracy_drop(before, after, labels, attributes=attributes)
    first, second = (
        evaluate(each, labels, classes=["a", "b", "c", "d"], attributes=attributes)
        for each in (before, after)
    )
    assert found.points == pytest.approx(first.accuracy - second.accuracy)
    assert found.interval[0] <= found.points <= found.interval[1]
    for figure in ("calibration_error", "var_paper", "var_poses"):
        change = getattr(found, figure)
        assert (change.before, change.after) == (getattr(first, figure), getattr(second, figure))
    for groups in ("per_yaw", "per_occlusion"):
        assert {name: rate.value for name, rate in getattr(found, groups).items()} == pytest.approx(
            {
                name: rate.value - getattr(second, groups)[name].value
                for name, rate in getattr(first, groups).items()
            }
        )


def turned(lost_in_profile: int, lost_in_front: int, faces: int = 200) -> Drop:
    """A float network that is always right, and an engine that is not, on faces of five yaws each."""
    yaws = np.repeat([-90, -45, 0, 45, 90], faces)
    labels = np.zeros(len(yaws), dtype=np.int64)
    engine = labels.copy()
    engine[:lost_in_profile] = 1
    engine[2 * faces : 2 * faces + lost_in_front] = 1
    return accuracy_drop(probabilities_of(labels), probabilities_of(engine), labels, attributes={"yaw": yaws})


def test_profile_views_that_lose_more_are_found():
    found = turned(40, 4).profile_excess
    assert found.value == pytest.approx(100 * (40 / 400 - 4 / 200)) and found.images == 600
    assert 0 < found.interval[0] < found.value < found.interval[1]
    evenly = turned(8, 4).profile_excess
    assert evenly.value == 0 and evenly.interval[0] < 0 < evenly.interval[1]
    assert turned(0, 40).profile_excess.interval[1] < 0
    labels = np.zeros(4, dtype=np.int64)
    for yaw in ([0, 0, 0, 0], [45, -45, 45, -45], [np.nan] * 4):
        attributes = {"yaw": np.array(yaw)}
        same = probabilities_of(labels)
        assert accuracy_drop(same, same, labels, attributes=attributes).profile_excess is None
    assert accuracy_drop(same, same, labels).var_poses is None


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
