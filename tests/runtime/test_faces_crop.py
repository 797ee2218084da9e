"""The crop of a face: where it lies, what its pixels are, and that they are the same everywhere."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgefer_runtime.contract import InputContract
from edgefer_runtime.errors import DataError
from edgefer_runtime.faces import Detection, crop_face
from edgefer_runtime.faces.crop import face_square
from edgefer_runtime.faces.sampling import Square, sample

CONTRACT = InputContract(32, 32, "RGB", (0.0,) * 3, (1.0,) * 3)
NOISE = np.random.RandomState(0).randint(0, 256, (60, 80, 3)).astype(np.uint8)
LANDMARKS = np.array([[30, 25], [46, 25], [38, 32], [38, 40], [24, 27], [52, 27]], np.float32)
BOX = np.array([24, 17, 52, 45], np.float32)


def by_hand(frame: NDArray[np.uint8], square: Square, size: int) -> NDArray[np.float64]:
    """The same, pixel by pixel, where a pixel of the result covers less than two of the frame."""
    result = np.empty((size, size, 3))
    for row in range(size):
        for column in range(size):
            u, v = ((index + 0.5) / size * square.side - square.side / 2 for index in (column, row))
            x = square.x + square.cosine * u - square.sine * v - 0.5
            y = square.y + square.sine * u + square.cosine * v - 0.5
            x, y = np.clip(x, 0, frame.shape[1] - 1), np.clip(y, 0, frame.shape[0] - 1)
            left, top = int(x), int(y)
            right, bottom = min(left + 1, frame.shape[1] - 1), min(top + 1, frame.shape[0] - 1)
            upper = frame[top, left] * (1 - x + left) + frame[top, right] * (x - left)
            lower = frame[bottom, left] * (1 - x + left) + frame[bottom, right] * (x - left)
            result[row, column] = upper * (1 - y + top) + lower * (y - top)
    return result


@pytest.mark.parametrize(
    "square",
    [
        Square(40, 30, 20),
        Square(40.3, 29.6, 31.7, 0.8, 0.6),
        Square(2, 58, 40, 0.6, -0.8),
        Square(-30, -30, 20),
        Square(79.9, 0.1, 0.5),
    ],
    ids=["upright", "turned", "corner", "outside", "within a pixel"],
)
def test_pixels_are_bilinear_and_go_on_beyond_the_border(square: Square) -> None:
    found = sample(NOISE, square, 24, 24)
    assert found.dtype == np.uint8
    assert np.abs(found - by_hand(NOISE, square, 24)).max() <= 0.501


def test_a_crop_of_the_frames_own_pixels_is_those_pixels() -> None:
    np.testing.assert_array_equal(sample(NOISE, Square(40, 30, 32), 32, 32), NOISE[14:46, 24:56])


@pytest.mark.parametrize("block", [2, 3, 5])
def test_nothing_is_passed_over_when_a_face_is_made_smaller(block: int) -> None:
    side = 10 * block
    found = sample(NOISE, Square(block * 2 + side / 2, block * 1 + side / 2, side), 10, 10)
    part = NOISE[block : block + side, block * 2 : block * 2 + side].astype(np.float64)
    means = part.reshape(10, block, 10, block, 3).mean(axis=(1, 3))
    if (block * 2 - block - 2) % block:  # the blocks begin elsewhere: smooth, not equal
        assert found.std() < part.std() / 1.5
    assert abs(float(found.mean()) - float(means.mean())) < 4


@given(
    st.floats(-200, 300), st.floats(-200, 300), st.floats(0.01, 2000), st.floats(-np.pi, np.pi), st.booleans()
)
@settings(max_examples=100, deadline=None)
def test_any_square_gives_a_crop_of_the_frames_colours(
    x: float, y: float, side: float, angle: float, tiny: bool
) -> None:
    frame = NOISE[:1, :1] if tiny else NOISE // 2 + 50
    found = sample(frame, Square(x, y, side, float(np.cos(angle)), float(np.sin(angle))), 7, 9)
    assert found.shape == (7, 9, 3)
    assert found.min() >= frame.min()
    assert found.max() <= frame.max()


def test_a_box_of_ones_own_gets_an_upright_square_of_the_contracts_margin() -> None:
    found = crop_face(NOISE, Detection(np.array([20, 20, 40, 30], np.float32), None, 1.0), CONTRACT)
    np.testing.assert_array_equal(found, sample(NOISE, Square(30, 25, 20 * CONTRACT.crop_scale), 32, 32))


def test_a_face_that_is_turned_is_set_upright() -> None:
    turned = np.ascontiguousarray(np.rot90(NOISE))  # x, y -> y, width - x
    points = np.stack([LANDMARKS[:, 1], 80 - LANDMARKS[:, 0]], axis=1)
    box = np.array([BOX[1], 80 - BOX[2], BOX[3], 80 - BOX[0]])
    found = crop_face(turned, Detection(box, points, 1.0), CONTRACT)
    expected = crop_face(NOISE, Detection(BOX, LANDMARKS, 1.0), CONTRACT)
    assert np.abs(found.astype(int) - expected).max() <= 1


@given(st.integers(-5, 5), st.integers(-5, 5))
@settings(max_examples=20, deadline=None)
def test_a_face_that_moved_gives_the_same_crop(right: int, down: int) -> None:
    frame = np.full((200, 200, 3), 128, np.uint8)
    moved = frame.copy()
    frame[70:130, 60:140] = NOISE
    moved[70 + down : 130 + down, 60 + right : 140 + right] = NOISE
    here, there = (BOX + 60, LANDMARKS + 60), (BOX + 60, LANDMARKS + 60)
    there = here[0] + np.array([right, down] * 2), here[1] + np.array([right, down])
    first = crop_face(frame, Detection(here[0], here[1], 1.0), CONTRACT)
    second = crop_face(moved, Detection(there[0], there[1], 1.0), CONTRACT)
    assert np.abs(first.astype(int) - second).max() <= 1


def test_the_bytes_are_those_of_every_other_machine() -> None:
    crops = [
        crop_face(np.tile(NOISE, (8, 8, 1)), Detection(box, points, 1.0), CONTRACT)
        for box, points in (
            (BOX, LANDMARKS),
            (BOX * 4.7, LANDMARKS * 4.7),
            (BOX - 30, LANDMARKS @ np.array([[0.8, 0.6], [-0.6, 0.8]]) - 30),
            (BOX, None),
        )
    ]
    digest = hashlib.sha256(b"".join(crop.tobytes() for crop in crops)).hexdigest()
    assert digest == "87a6b6ff5f2f619af961a19264bc39996ee2fe65e4fee16f6a6c7a7a0d48dc81"


def test_a_face_seen_from_the_side_is_turned_little() -> None:
    profile = LANDMARKS.copy()
    profile[:, 0] = 38 + (LANDMARKS[:, 0] - 38) * 0.1
    tilted = profile + np.array([[0, 0], [0, 1], [0, 0], [0, 0], [0, 0], [0, 1]], np.float32)
    square = face_square(Detection(BOX, tilted, 1.0), 1.0)
    assert 0 < np.degrees(np.arctan2(square.sine, square.cosine)) < 3  # the points' own line: 24 degrees
    assert square.cosine**2 + square.sine**2 == pytest.approx(1)


def test_points_that_coincide_are_no_reason_to_fail() -> None:
    square = face_square(Detection(BOX, np.full((6, 2), 30.0), 1.0), CONTRACT.crop_scale)
    assert (square.cosine, square.sine) == (1, 0)
    assert np.isfinite(square).all()


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (NOISE[..., 0], "repeat the grey channel"),
        (np.dstack([NOISE, NOISE[..., :1]]), "alpha"),
        (NOISE / 255, "multiply by 255"),
        (NOISE[:0], "no pixels"),
        (None, "why there is no image"),
    ],
    ids=["grey", "rgba", "float", "empty", "none"],
)
def test_a_frame_of_another_kind_is_refused_with_the_way_to_convert_it(frame: object, said: str) -> None:
    with pytest.raises(DataError, match=said):
        crop_face(frame, Detection(BOX, None, 1.0), CONTRACT)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "box",
    [[1, 2, 3], [5, 5, 5, 9], [5, 5, 9, 4], [np.nan, 0, 1, 1], [0, 0, np.inf, 1], "box", None],
    ids=str,
)
def test_a_box_that_is_none_is_refused(box: object) -> None:
    with pytest.raises(DataError, match="left < right"):
        Detection(box, None, 1.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "points", [np.zeros((5, 2)), np.full((6, 2), np.nan), "eyes"], ids=["5", "nan", "word"]
)
def test_landmarks_that_are_none_are_refused(points: object) -> None:
    with pytest.raises(DataError, match="landmarks"):
        Detection(BOX, points, 1.0)  # type: ignore[arg-type]


def test_a_view_of_a_frame_is_cropped_as_its_copy() -> None:
    mirrored = NOISE[:, ::-1]
    detection = Detection(BOX, LANDMARKS, 1.0)
    np.testing.assert_array_equal(
        crop_face(mirrored, detection, CONTRACT), crop_face(mirrored.copy(), detection, CONTRACT)
    )
