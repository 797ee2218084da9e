"""Which faces a sheet of heat maps shows, and where it puts them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from edgefer.training.explain.sheet import (
    CAPTION_HEIGHT,
    FACES,
    GAP,
    SIDE,
    TITLE_HEIGHT,
    WRONG,
    cam_sheet,
    choose_faces,
    overlay,
)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60))
def test_right_and_wrong_answers_of_each_class_are_shown_as_far_as_there_are(pairs):
    labels, predicted = np.array(pairs).T
    for label, row in enumerate(choose_faces(labels, predicted, 3)):
        right, wrong = (labels == label) & (predicted == label), (labels == label) & (predicted != label)
        shown_right = [index for index in row if right[index]]
        shown_wrong = [index for index in row if wrong[index]]
        assert row == shown_right + shown_wrong, "right ones come first, and no other class is in the row"
        assert len({*row}) == len(row) == min(FACES, right.sum() + wrong.sum())
        assert min(len(shown_right), len(shown_wrong)) == min(FACES // 2, right.sum(), wrong.sum()), (
            "half of each where there are as many"
        )


def test_faces_are_taken_from_all_over_the_set():
    row = choose_faces(np.zeros(100, int), np.zeros(100, int), 1)[0]
    assert row == [12, 37, 62, 87]


@pytest.fixture(scope="module")
def sheet() -> Image.Image:
    """Two classes: one green face answered right, two answered wrong."""
    images = np.zeros((3, 20, 20, 3), np.uint8)
    images[..., 1] = 200
    heats = np.zeros((3, 20, 20), np.float32)
    heats[1, :10] = 1
    answers = [("joy", 0.9), ("joy", 0.6), ("fear", 0.5)]
    return cam_sheet("title", [[0], [1, 2]], images, heats, ["joy", "fear", "joy"], answers)


def place(row: int, column: int) -> tuple[int, int]:
    return GAP + column * (2 * SIDE + GAP), TITLE_HEIGHT + row * (SIDE + CAPTION_HEIGHT)


def test_a_face_lies_beside_its_heat(sheet):
    x, y = place(1, 0)
    assert sheet.getpixel((x + SIDE // 2, y + SIDE // 2)) == (0, 200, 0)
    hot, cold = (sheet.getpixel((x + SIDE + SIDE // 2, y + offset)) for offset in (20, SIDE - 20))
    assert sum(hot) > sum(cold) + 200


def test_only_wrong_answers_are_framed(sheet):
    framed = [sheet.getpixel((x - 2, y + 20)) == WRONG for x, y in (place(0, 0), place(1, 0), place(1, 1))]
    assert framed == [False, True, True]


def test_more_heat_is_lighter_everywhere():
    face = Image.new("RGB", (101, 1), (90, 120, 60))
    ramp = np.linspace(0, 1, 101, dtype=np.float32)[None]
    assert (np.diff(np.asarray(overlay(face, ramp).convert("L"), dtype=int)[0]) >= 0).all()
