"""Turns: nobody waits for more than one of each other's, and whoever has most gives way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgefer_runtime.serving.turns import MOST_TURNS, TURN_BYTES, FairQueue

LARGE = 40 * TURN_BYTES
REQUESTS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 12 * TURN_BYTES)), max_size=40)


def served(queue: FairQueue[str], count: int) -> list[str]:
    """The next so many."""
    items = []
    for _ in range(count):
        items.append(next(iter(queue)))
        queue.take(items[-1])
    return items


def filled(*requests: tuple[str, str, int], capacity: int = 100) -> FairQueue[str]:
    queue: FairQueue[str] = FairQueue(capacity)
    for item, client, size in requests:
        assert queue.add(item, client, size) is None
    return queue


def test_like_requests_of_one_host_are_served_as_they_came() -> None:
    assert served(filled(*((name, "a", 1) for name in "123")), 3) == ["1", "2", "3"]


def test_a_small_request_waits_for_one_large_one_and_the_other_way_round() -> None:
    queue = filled(*((f"large{number}", "a", LARGE) for number in range(50)), ("small", "a", 1))
    assert "small" in served(queue, 2)
    queue = filled(*((f"small{number}", "a", 1) for number in range(50)), ("large", "a", LARGE))
    assert "large" in served(queue, 2)


def test_large_requests_go_on_while_small_ones_never_end() -> None:
    queue = filled(("large0", "a", LARGE), ("large1", "a", LARGE), ("small", "a", 1))
    order = []
    for number in range(6):
        order += served(queue, 1)
        queue.add(f"small{number}", "a", 1)
    assert {"large0", "large1"} <= {*order[:4]}


def test_a_host_with_many_requests_gets_one_turn_for_one_of_another() -> None:
    queue = filled(*((f"a{number}", "a", 1) for number in range(50)))
    served(queue, 20)
    queue.add("b0", "b", 1)
    queue.add("b1", "b", 1)
    order = served(queue, 4)
    assert {"b0", "b1"} < {*order}


def test_a_large_request_of_one_host_counts_as_many_small_ones_of_another() -> None:
    both = [
        *((f"a{number}", "a", LARGE) for number in range(9)),
        *((f"b{number}", "b", 1) for number in range(64)),
    ]
    order = served(filled(*both), 45)
    assert sum(item.startswith("a") for item in order) == 45 // (1 + MOST_TURNS)


def test_whoever_has_most_gives_way() -> None:
    queue = filled(*((f"large{number}", "a", LARGE) for number in range(4)), capacity=4)
    assert queue.full_for("a", LARGE) and queue.add("large4", "a", LARGE) == "large4"
    assert not queue.full_for("a", 1) and queue.add("small", "a", 1) == "large3"
    assert not queue.full_for("b", LARGE) and queue.add("other", "b", LARGE) == "large2"
    assert len(queue) == 4 and "large3" not in queue


@given(REQUESTS, st.integers(1, 10))
def test_all_that_is_accepted_is_served_once(requests: list[tuple[str, int]], capacity: int) -> None:
    queue: FairQueue[int] = FairQueue(capacity)
    waiting: set[int] = set()
    for number, (client, size) in enumerate(requests):
        full = queue.full_for(client, size)
        gone = queue.add(number, client, size)
        assert full == (gone == number)
        waiting = (waiting | {number}) - {gone}
        assert len(queue) == len(waiting) <= capacity and {*queue} == waiting
    order = []
    while len(queue):
        order.append(next(iter(queue)))
        queue.take(order[-1])
    assert sorted(order) == sorted(waiting)
