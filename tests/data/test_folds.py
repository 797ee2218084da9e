"""Folds: complete, disjoint, balanced, and of whole people."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edgefer.data.faceset import FaceSet
from edgefer.data.folds import eighty_ten_ten, hold_out, image_folds, subject_folds
from edgefer_runtime.errors import DataError


def people(subjects, labels, classes=4) -> FaceSet:
    images = np.zeros((len(labels), 1, 1, 3), np.uint8)
    attributes = {} if subjects is None else {"subject": np.array(subjects)}
    return FaceSet("set", images, np.array(labels, np.int64), tuple("abcdefgh"[:classes]), attributes)


@st.composite
def sets(draw):
    faces = draw(st.lists(st.tuples(st.integers(0, 15), st.integers(0, 3)), min_size=2, max_size=120))
    return people([f"S{subject:03d}" for subject, _ in faces], [label for _, label in faces])


def check_each_face_is_tested_once(faces, folds):
    assert sorted(np.concatenate([test for _, test in folds]).tolist()) == list(range(len(faces)))
    for train, test in folds:
        assert len(train) and len(test)
        assert sorted([*train, *test]) == list(range(len(faces)))
        assert (np.diff(train) > 0).all() and (np.diff(test) > 0).all()


@given(sets(), st.integers(2, 10), st.integers(0, 99))
def test_folds_of_people(faces, k, seed):
    subjects = faces.attributes["subject"]
    _, counts = np.unique(subjects, return_counts=True)
    assume(len(counts) >= k)
    folds = subject_folds(faces, k, seed)
    assert len(folds) == k
    check_each_face_is_tested_once(faces, folds)
    for train, test in folds:
        assert not {*subjects[train]} & {*subjects[test]}
    sizes = [len(test) for _, test in folds]
    assert max(sizes) - min(sizes) <= counts.max()
    assert all(
        np.array_equal(one, other)
        for pair in zip(folds, subject_folds(faces, k, seed), strict=True)
        for one, other in zip(*pair, strict=True)
    )


@given(sets(), st.integers(2, 10), st.integers(0, 99))
def test_folds_of_pictures(faces, k, seed):
    assume(len(faces) >= k)
    folds = image_folds(faces, k, seed)
    check_each_face_is_tested_once(faces, folds)
    assert np.ptp([len(test) for _, test in folds]) <= 1
    per_class = np.array([np.bincount(faces.labels[test], minlength=4) for _, test in folds])
    assert (np.ptp(per_class, axis=0) <= 1).all()


def test_a_laboratory_set_is_balanced_perfectly():
    """KDEF: 70 people, each with every expression and view twice."""
    faces = people(np.repeat(np.arange(70), 70), np.tile(np.arange(7), 700), classes=7)
    for train, test in subject_folds(faces, 5):
        assert (len(train), len(test)) == (3920, 980)
        assert np.bincount(faces.labels[test]).tolist() == [140] * 7


@pytest.mark.parametrize("seed", range(4))
def test_classes_are_spread_over_folds_though_each_person_shows_other_ones(seed):
    """As in CK+: 118 people with one to six of seven expressions, some of them rare."""
    rng = np.random.default_rng(seed)
    frequency = np.array([45, 59, 25, 69, 28, 83, 18]) / 327
    counts = rng.integers(1, 7, 118)
    labels = np.concatenate([rng.choice(7, count, replace=False, p=frequency) for count in counts])
    faces = people(np.repeat(np.arange(118), counts), labels, classes=7)
    per_class = np.array([np.bincount(labels[test], minlength=7) for _, test in subject_folds(faces, 10)])
    expected = per_class.mean(0)
    assert (
        (per_class - expected) ** 2 / expected
    ).sum() < 3  # 33 when equally many people are dealt at random


def test_rare_classes_do_not_unbalance_the_sizes():
    """Going by classes alone, both the third and the fourth person would join the second: 10 against 27."""
    sizes, labels = [10, 10, 9, 8], [0, 1, 0, 0]
    faces = people(np.repeat(np.arange(4), sizes), np.repeat(labels, sizes))
    assert sorted(len(test) for _, test in subject_folds(faces, 2)) == [18, 19]


def test_the_seed_decides():
    faces = people(np.repeat(np.arange(20), 4), np.tile(np.arange(4), 20))
    for make in (subject_folds, image_folds):
        assert not np.array_equal(make(faces, 5, 0)[0][1], make(faces, 5, 1)[0][1])


@pytest.mark.parametrize(
    ("make", "faces", "k", "said"),
    [
        (subject_folds, people(None, [0, 1, 2]), 2, "does not say who"),
        (subject_folds, people([1, 1, 2, 2], [0, 1, 2, 0]), 3, "3 folds of set, which has 2 people"),
        (subject_folds, people([1, 2, 3], [0, 1, 2]), 1, "1 folds"),
        (image_folds, people(None, [0, 1, 2]), 4, "4 folds of set, which has 3 pictures"),
    ],
)
def test_folds_that_cannot_be_made(make, faces, k, said):
    with pytest.raises(DataError, match=said):
        make(faces, k)


def test_people_are_held_out_whole():
    faces = people(np.repeat(np.arange(30), 4), np.tile(np.arange(4), 30))
    kept, held = hold_out(faces, 0.1, seed=3)
    assert (len(kept), len(held)) == (108, 12)
    assert not {*kept.attributes["subject"]} & {*held.attributes["subject"]}
    assert (kept.name, held.name) == ("set (kept)", "set (held out)")


@pytest.mark.parametrize("subjects", [None, [7] * 40], ids=["nobody named", "one person"])
def test_pictures_are_held_out_where_people_cannot_be(subjects):
    kept, held = hold_out(people(subjects, np.arange(40) % 4), 0.1)
    assert (len(kept), len(held)) == (36, 4)
    assert sorted(held.labels) == [0, 1, 2, 3]


def test_two_people_are_enough_to_hold_one_out():
    kept, held = hold_out(people([1, 1, 2, 2], [0, 1, 0, 1]))
    assert (len(kept), len(held)) == (2, 2)


def test_eighty_ten_ten():
    faces = people(None, np.repeat(np.arange(4), [400, 200, 100, 50]))
    parts = eighty_ten_ten(faces, seed=1)
    assert sorted(np.concatenate(parts)) == list(range(750))
    assert [np.bincount(faces.labels[part]).tolist() for part in parts] == [
        [320, 160, 80, 40],
        [40, 20, 10, 5],
        [40, 20, 10, 5],
    ]
