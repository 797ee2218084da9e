"""Orders of an epoch and weights of classes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgefer.training.recipe import Stage
from edgefer.training.sampling import balanced_weights, epoch_order


def stage(**kwargs) -> Stage:
    return Stage(16, 1, 8, 1e-3, **kwargs)


LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=60).map(np.array)


@given(labels=LABELS, passes=st.integers(1, 3), seed=st.integers(0, 99))
def test_shuffled_shows_every_face_once_a_pass(labels, passes, seed):
    chosen = np.flatnonzero(labels != 2) if (labels != 2).any() else np.arange(len(labels))
    order = epoch_order(chosen, labels, stage(repeats=passes), np.random.default_rng(seed))
    for part in np.split(order, passes):
        assert sorted(part) == chosen.tolist()


@given(labels=LABELS, passes=st.integers(1, 3), seed=st.integers(0, 99))
def test_balanced_shows_classes_equally_often_and_faces_within_a_class_too(labels, passes, seed):
    chosen, how = np.arange(len(labels)), stage(sampling="balanced", repeats=passes)
    order = epoch_order(chosen, labels, how, np.random.default_rng(seed))
    assert len(order) == passes * len(labels)
    by_class = np.bincount(labels[order], minlength=5)[np.unique(labels)]
    assert np.ptp(by_class) <= 1
    by_face = np.bincount(order, minlength=len(labels))
    assert all(np.ptp(by_face[labels == label]) <= 1 for label in np.unique(labels))


def test_balanced_favours_no_class_in_the_long_run():
    """Ten faces of three classes: who has the fourth is drawn anew each epoch."""
    labels, how = np.array([0] * 8 + [1, 2]), stage(sampling="balanced")
    shown = np.zeros(3)
    for epoch in range(3000):
        order = epoch_order(np.arange(10), labels, how, np.random.default_rng(epoch))
        shown += np.bincount(labels[order], minlength=3)
    np.testing.assert_allclose(shown / shown.sum(), 1 / 3, atol=0.005)


def test_an_order_is_no_other_faces_than_those_chosen():
    chosen = np.array([1, 3, 5])
    order = epoch_order(chosen, np.arange(6) % 2, stage(sampling="balanced"), np.random.default_rng(0))
    assert set(order) <= set(chosen)


@given(labels=LABELS)
def test_weighed_classes_count_alike_and_faces_one_on_average(labels):
    weights = balanced_weights(labels, 6)
    total = np.bincount(labels, weights[labels], minlength=6)[np.unique(labels)]
    np.testing.assert_allclose(total, total[0], rtol=1e-5)
    np.testing.assert_allclose(weights[labels].mean(), 1, rtol=1e-5)
    assert weights[5] == 0
