"""Ids that stay with people: followed, carried on, lost, and never given twice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgefer_runtime.faces import Detection
from edgefer_runtime.tracking import FORESIGHT_S, Track, Tracker, likeness

HZ = 30


def face(x: float, y: float = 100.0, side: float = 60.0, score: float = 0.9) -> Detection:
    """A face whose centre is at x, y."""
    corners = np.array([[-0.2, -0.2], [0.2, -0.2], [0, 0], [0, 0.3], [-0.4, 0], [0.4, 0]]) * side + [x, y]
    half = side / 2
    return Detection(
        np.array([x - half, y - half, x + half, y + half], np.float32), corners.astype(np.float32), score
    )


def numbers(tracks: list[Track]) -> list[int | None]:
    return [track.number for track in tracks]


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 12),
    st.lists(st.tuples(st.floats(-20, 20), st.floats(-20, 20)), min_size=2, max_size=20),
    st.randoms(use_true_random=False),
)
def test_everyone_keeps_his_id_in_whatever_order_faces_are_found(people, steps, chance) -> None:
    tracker, places = Tracker(), np.array([[100.0 * n, 100 + 7.0 * n] for n in range(people)])
    owner: dict[int, int] = {}
    for frame, step in enumerate(steps):
        places += np.array(step) * np.linspace(0.3, 1, people)[:, None]
        order = chance.sample(range(people), people)
        tracks = tracker.update([face(*places[who]) for who in order], frame / HZ)
        for who, track in zip(order, tracks, strict=True):
            assert track.number is None if frame == 0 else owner.setdefault(track.number, who) == who
    assert sorted(owner) == list(range(1, people + 1))


def test_people_who_pass_each_other_keep_their_ids() -> None:
    """So fast that the nearest face in the next frame is the other one."""
    tracker = Tracker()
    for frame in range(12):
        right, left = 100 + 40.0 * frame, 560 - 40.0 * frame
        seen = numbers(tracker.update([face(right, 100), face(left, 110)], frame / HZ))
    assert seen == [1, 2]


def test_an_id_outlives_a_pause_and_not_a_longer_one() -> None:
    tracker = Tracker(birth=2, death=3)
    time_s = iter(np.arange(100) / HZ)
    for _ in range(2):
        (track,) = tracker.update([face(100)], next(time_s))
    for _ in range(3):
        assert tracker.update([], next(time_s)) == [] and not tracker.carried()
    assert tracker.update([face(100)], next(time_s)) == [track] and track.number == 1
    assert tracker.carried() == [track]
    for _ in range(4):
        tracker.update([], next(time_s))
    assert not tracker.tracks
    tracker.update([face(100)], next(time_s))
    assert numbers(tracker.update([face(100)], next(time_s))) == [2], "an id is never given again"


def test_a_false_alarm_gets_no_id() -> None:
    tracker = Tracker(birth=3)
    for frame, seen in enumerate([1, 1, 0, 1, 1, 0]):
        tracks = tracker.update([face(100)] * seen, frame / HZ)
        assert numbers(tracks) == [None] * seen
    for frame in range(6, 9):
        tracks = tracker.update([face(100)], frame / HZ)
    assert numbers(tracks) == [1]


@settings(deadline=None, max_examples=40)
@given(st.floats(-300, 300), st.floats(-300, 300), st.floats(-30, 30), st.floats(0, FORESIGHT_S))
def test_an_even_motion_is_carried_on(vx: float, vy: float, growth: float, ahead_s: float) -> None:
    def moved(time_s: float) -> Detection:
        return face(320 + vx * time_s, 240 + vy * time_s, 60 + growth * time_s)

    track = Track(moved(0.0), 0.0)
    for frame in range(1, 4):
        track.see(moved(frame / 10), frame / 10)
    carried, there = track.at(0.3 + ahead_s), moved(0.3 + ahead_s)
    np.testing.assert_allclose(carried.box, there.box, atol=0.01)
    np.testing.assert_allclose(carried.landmarks, there.landmarks, atol=0.01)
    assert np.array_equal(track.at(9.0).box, track.at(0.3 + FORESIGHT_S).box), "and no further"


def test_a_shrinking_box_never_turns_inside_out() -> None:
    track = Track(face(100, side=100), 0.0)
    track.see(face(100, side=55), 0.1)
    assert np.array_equal(track.at(0.35).box, face(100, side=55).box)


@pytest.mark.parametrize("other", [face(100, side=150), face(100, side=25), face(500), face(100, 400)])
def test_a_face_of_another_size_or_place_is_another_face(other: Detection) -> None:
    tracker = Tracker(birth=1)
    tracker.update([face(100, side=60)], 0.0)
    assert numbers(tracker.update([other], 1 / HZ)) == [2]


boxes = st.lists(
    st.tuples(st.floats(0, 600), st.floats(0, 400), st.floats(5, 200), st.floats(5, 200)), max_size=6
).map(lambda rows: np.array([(x, y, x + w, y + h) for x, y, w, h in rows], np.float32).reshape(-1, 4))


@settings(deadline=None, max_examples=40)
@given(boxes, boxes)
def test_likeness_is_symmetric_and_bounded(one: np.ndarray, other: np.ndarray) -> None:
    alike = likeness(one, other)
    assert alike.shape == (len(one), len(other))
    assert (alike >= 0).all() and (alike <= 2 + 1e-5).all()
    np.testing.assert_allclose(alike, likeness(other, one).T, atol=1e-6)
    assert np.diagonal(likeness(one, one)) == pytest.approx(2, abs=1e-5)


def test_faces_that_do_not_overlap_are_linked_by_their_distance() -> None:
    near, far = likeness(
        np.array([[0, 0, 40, 40]], np.float32), np.array([[0, 39, 40, 79], [0, 41, 40, 81]], np.float32)
    )[0]
    assert 0 < near < 0.1 and far == 0
