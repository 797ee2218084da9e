"""Calibration sets: balanced, reproducible, hashed, and refused when they would calibrate wrongly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgefer_calibration import CalibrationSet
from edgefer_runtime.errors import DataError


def images_of(count: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, 6, 5, 3), dtype=np.uint8)


@settings(max_examples=60, deadline=None)
@given(
    per_class=st.lists(st.integers(12, 20), min_size=2, max_size=7),
    count=st.integers(1, 24),
    seed=st.integers(0, 1000),
)
def test_a_drawn_set_is_balanced_from_its_beginning_on(per_class: list[int], count: int, seed: int) -> None:
    labels = np.random.default_rng(1).permutation(np.repeat(np.arange(len(per_class)), per_class))
    images = images_of(len(labels))
    drawn = CalibrationSet.draw(images, labels, count=count, seed=seed, name="set")
    assert len(drawn) == count == len(set(drawn.indices.tolist()))
    assert np.array_equal(drawn.images, images[drawn.indices])
    for length in range(1, count + 1):
        counts = np.bincount(labels[drawn.indices[:length]], minlength=len(per_class))
        assert counts.max() - counts.min() <= 1
    again = CalibrationSet.draw(images, labels, count=count, seed=seed, name="set")
    assert again.fingerprint == drawn.fingerprint


def test_a_class_needs_no_more_images_than_are_drawn_of_it() -> None:
    labels = np.array([0, 0, 0, 0, 1])
    drawn = CalibrationSet.draw(images_of(5), labels, count=3, name="set")
    assert labels[drawn.indices].tolist() == [0, 1, 0]


def test_the_fingerprint_sees_pixels_order_and_name() -> None:
    labels = np.arange(20) % 4
    drawn = CalibrationSet.draw(images_of(20), labels, count=8, name="set")
    brighter = drawn.images.copy()
    brighter[3, 2, 2, 1] ^= 1
    others = [
        replace(drawn, images=brighter),
        replace(drawn, name="another"),
        replace(drawn, indices=drawn.indices[::-1].copy()),
        CalibrationSet.draw(images_of(20), labels, count=8, seed=1, name="set"),
    ]
    assert len({drawn.fingerprint, *(other.fingerprint for other in others)}) == 5


@pytest.mark.parametrize(
    ("labels", "count", "message"),
    [
        (np.zeros(5, dtype=np.int64), 6, "5 images and 5 labels to draw 6"),
        (np.zeros(4, dtype=np.int64), 2, "5 images and 4 labels"),
        (np.array([0, 0, 0, 0, 2]), 3, "class 1: 0 of 1"),
        (np.array([0, 0, 0, 0, 1]), 4, "class 1: 1 of 2"),
    ],
)
def test_what_cannot_be_drawn(labels: NDArray[np.int64], count: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        CalibrationSet.draw(images_of(5), labels, count=count, name="set")


def flat(drawn: CalibrationSet) -> CalibrationSet:
    images = drawn.images.copy()
    images[2] = 128
    return replace(drawn, images=images)


def repeated(drawn: CalibrationSet) -> CalibrationSet:
    images = drawn.images.copy()
    images[5] = images[1]
    return replace(drawn, images=images)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda drawn: replace(drawn, images=drawn.images.astype(np.float32)), "type float32"),
        (lambda drawn: replace(drawn, images=drawn.images[..., :2]), "shape"),
        (lambda drawn: replace(drawn, images=drawn.images[:0]), "shape"),
        (flat, "one grey level: number 12"),
        (repeated, "already: number 15"),
        (lambda drawn: replace(drawn, labels=np.array([0, 0, 0, 0, 0, 0, 1, 1])), "per class: 6, 2"),
    ],
)
def test_a_spoilt_set_is_refused(spoil: Callable[[CalibrationSet], CalibrationSet], message: str) -> None:
    good = CalibrationSet(images_of(8), "set", np.arange(10, 18), np.arange(8) % 2)
    good.validate()
    with pytest.raises(DataError, match=message):
        spoil(good).validate()
