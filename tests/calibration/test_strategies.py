"""Which images are drawn: none twice, the same each time, and any beginning as good as the whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgefer_calibration.strategies import STRATEGIES, Candidates, choose
from edgefer_runtime.errors import DataError, UsageError

SEEDS = st.integers(0, 1000)


def candidates(classes: int, sides: int, per_cell: int) -> Candidates:
    """Shuffled faces, as many of each class from each side."""
    generator = np.random.default_rng(1)
    order = generator.permutation(classes * sides * per_cell)
    return Candidates(
        "set",
        len(order),
        order % classes,
        tuple(f"class {label}" for label in range(classes)),
        (order // classes % sides * 45.0) - 90,
        generator.normal(size=(len(order), 3)).astype(np.float32),
    )


def spread_of(values: NDArray[np.generic], expected: int) -> int:
    """The difference between the most and the least frequent value."""
    _, counts = np.unique(values, return_counts=True)
    return int(counts.max()) - (int(counts.min()) if len(counts) == expected else 0)


@settings(max_examples=60, deadline=None)
@given(
    strategy=st.sampled_from([*STRATEGIES]),
    classes=st.integers(2, 7),
    sides=st.integers(1, 5),
    count=st.integers(1, 40),
    fewer=st.integers(1, 40),
    seed=SEEDS,
)
def test_a_draw_repeats_no_image_and_its_beginning_is_the_smaller_draw(
    strategy: str, classes: int, sides: int, count: int, fewer: int, seed: int
) -> None:
    faces = candidates(classes, sides, 20)
    chosen = choose(strategy, faces, count, seed)
    assert len(chosen) == count == len({*chosen.tolist()})
    assert 0 <= chosen.min() <= chosen.max() < faces.total
    assert np.array_equal(chosen[:fewer], choose(strategy, faces, min(fewer, count), seed))


@settings(max_examples=60, deadline=None)
@given(per_class=st.lists(st.integers(12, 20), min_size=2, max_size=7), count=st.integers(1, 24), seed=SEEDS)
def test_classes_are_balanced_from_the_beginning_on(per_class: list[int], count: int, seed: int) -> None:
    labels = np.random.default_rng(1).permutation(np.repeat(np.arange(len(per_class)), per_class))
    faces = Candidates("set", len(labels), labels, tuple(map(str, range(len(per_class)))))
    chosen = choose("class", faces, count, seed)
    for length in range(1, count + 1):
        assert spread_of(labels[chosen[:length]], len(per_class)) <= 1


@settings(max_examples=60, deadline=None)
@given(classes=st.integers(2, 7), sides=st.integers(1, 5), count=st.integers(1, 80), seed=SEEDS)
def test_classes_sides_and_both_together_are_balanced_from_the_beginning_on(
    classes: int, sides: int, count: int, seed: int
) -> None:
    faces = candidates(classes, sides, 40)
    assert faces.labels is not None and faces.yaws is not None
    chosen = choose("pose", faces, count, seed)
    for length in range(1, count + 1):
        labels, yaws = faces.labels[chosen[:length]], faces.yaws[chosen[:length]]
        assert spread_of(labels, classes) <= 1
        assert spread_of(yaws, sides) <= 1
        assert spread_of(labels * 1000 + yaws, classes * sides) <= 1


@settings(max_examples=40, deadline=None)
@given(total=st.integers(2, 300), share=st.floats(0, 1), seed=SEEDS)
def test_frames_are_spread_over_time(total: int, share: float, seed: int) -> None:
    count = max(2, round(share * total))
    chosen = np.sort(choose("folder", Candidates("set", total), count, seed))
    gaps = np.diff([*chosen, chosen[0] + total])
    assert gaps.max() <= 8 * total / count + 1


@pytest.mark.parametrize("cameras", [2, 3, 4, 8])
def test_cameras_that_take_turns_are_drawn_from_alike(cameras: int) -> None:
    draws = [choose("folder", Candidates("set", 1000), 50, seed) for seed in range(20)]
    counts = np.bincount(np.concatenate(draws) % cameras, minlength=cameras)
    assert counts.min() > 0.75 * 1000 / cameras


def test_the_diverse_are_the_farthest_apart() -> None:
    generator = np.random.default_rng(0)
    crowd = generator.normal(0, 0.1, (200, 2))
    far = np.array([[50, 0], [-40, 0], [0, 30]])
    faces = Candidates("set", 203, features=np.concatenate([crowd, far]).astype(np.float32))
    for seed in range(5):
        assert {200, 201, 202} <= {*choose("diverse", faces, 4, seed).tolist()}


def test_equal_features_are_drawn_once_each() -> None:
    faces = Candidates("set", 9, features=np.ones((9, 2), np.float32))
    assert sorted(choose("diverse", faces, 9, 3)) == [*range(9)]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_another_seed_is_another_draw(strategy: str) -> None:
    faces = candidates(7, 5, 20)
    draws = {tuple(choose(strategy, faces, 10, seed).tolist()) for seed in range(10)}
    assert len(draws) > 5


LABELS = np.array([0, 0, 0, 0, 1])
TWO = Candidates("set", 5, LABELS, ("joy", "rage"), np.array([0.0, 0, 1, 90, 88]))


def test_a_group_needs_no_more_images_than_are_drawn_of_it() -> None:
    assert LABELS[choose("class", TWO, 3, 0)].tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("strategy", "faces", "count", "message"),
    [
        ("class", TWO, 6, "5 images to draw 6"),
        ("random", TWO, 0, "5 images to draw 0"),
        ("class", TWO, 4, "rage: 1 of 2"),
        ("pose", TWO, 4, r"rage at \+0°: 0 of 1"),
        ("pose", Candidates("set", 5, LABELS, ("joy", "rage")), 3, "yaws"),
        ("class", Candidates("frames", 5), 3, "without labels"),
    ],
)
def test_what_cannot_be_drawn(strategy: str, faces: Candidates, count: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        choose(strategy, faces, count)


@pytest.mark.parametrize(("strategy", "message"), [("best", "random, class"), ("diverse", "model")])
def test_what_is_not_said(strategy: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose(strategy, TWO, 3)
    assert message in str(caught.value)
