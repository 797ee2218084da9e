"""Bodies: counted as they come, inflated no further than allowed, and what they took given back."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefer_runtime.serving.bodies import Budget, Receive, inflate, read_body
from edgefer_runtime.serving.refusals import Refusal

CODED = {"gzip": gzip.compress, "deflate": zlib.compress}


def sending(chunks: Sequence[bytes], whole: bool = True) -> Receive:
    """ASGI's ``receive`` of a client that sends these chunks and, unless they are the ``whole``, hangs up."""
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks
    ]
    messages.append({"type": "http.request"} if whole else {"type": "http.disconnect"})

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    return receive


def read(chunks: Sequence[bytes], coding: str = "") -> bytes:
    with Budget(1000).account() as take:
        return asyncio.run(read_body(sending(chunks), None, coding, 100, take))


@given(st.lists(st.binary(max_size=20), max_size=5), st.sampled_from(["", "identity", *CODED]))
def test_a_body_is_what_was_sent(chunks: list[bytes], coding: str) -> None:
    body = b"".join(chunks)
    coded = CODED.get(coding, bytes)(body)
    assert read([coded[:7], coded[7:]], coding) == body


def test_more_than_allowed_is_refused_as_soon_as_it_shows() -> None:
    async def never() -> dict[str, Any]:
        raise AssertionError("the body was read")

    with pytest.raises(Refusal) as declared:
        asyncio.run(read_body(never, 101, "", 100, lambda count: None))
    with pytest.raises(Refusal) as coded:
        asyncio.run(read_body(never, 1, "br", 100, lambda count: None))
    with pytest.raises(Refusal) as sent:
        read([bytes(60), bytes(60)])
    assert (declared.value.status, coded.value.status, sent.value.status) == (413, 415, 413)


@pytest.mark.parametrize("coding", [*CODED])
def test_a_bomb_takes_no_more_memory_than_allowed(coding: str) -> None:
    bomb = CODED[coding](bytes(50 << 20))
    tracemalloc.start()
    with pytest.raises(Refusal, match="inflated") as caught:
        inflate(bomb, coding, 1 << 20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.status == 413 and peak < 4 << 20


@pytest.mark.parametrize("coding", [*CODED])
@given(st.data())
def test_damaged_bodies_are_refused_or_what_they_say(coding: str, data: st.DataObject) -> None:
    coded = bytearray(CODED[coding](b"faces" * 5))
    cut = data.draw(st.integers(0, len(coded)))
    if data.draw(st.booleans()):
        coded[cut:] = b""
    else:
        coded[cut:cut] = data.draw(st.binary(min_size=1, max_size=9))
    try:
        assert isinstance(inflate(bytes(coded), coding, 100), bytes)
    except Refusal as refusal:
        assert refusal.status in (400, 413)


def test_all_bodies_together_have_an_end_and_give_back_what_they_took() -> None:
    budget = Budget(100)
    with budget.account() as first, budget.account() as second:
        first(60)
        with pytest.raises(Refusal) as caught:
            second(60)
        assert caught.value.status == 503 and caught.value.retry_after_s == 1
        second(40)
        assert budget.held_bytes == 100
    assert budget.held_bytes == 0


def test_a_client_that_hangs_up_is_no_whole_request() -> None:
    with pytest.raises(Refusal) as caught:
        asyncio.run(read_body(sending([b"half"], whole=False), 8, "", 100, lambda count: None))
    assert caught.value.status == 499
