"""Places for connections: who makes room, who is refused, and what happens without descriptors."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from edgefer_runtime.serving.connections import BUSY, FEWEST, Listener, Place, Places, most_connections
from edgefer_runtime.serving.logs import OnceInAWhile


class Guest:
    """Says since when its client is awaited."""

    def __init__(self, since: float | None) -> None:
        self.since, self.gone = since, False

    def awaited_since(self) -> float | None:
        return self.since

    def expire(self, now: float) -> None:
        raise AssertionError

    def abort(self) -> None:
        self.gone = True


def seated(places: Places, host: str, since: float | None) -> Guest:
    place = places.take(host)
    assert place is not None
    place.guest = guest = Guest(since)
    return guest


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


def test_who_is_waited_for_longest_makes_room_at_the_host_that_has_most() -> None:
    async def test() -> None:
        places = Places(4, 1.0)
        lone, old = seated(places, "b", 0.0), seated(places, "a", 2.0)
        newer, busy = seated(places, "a", 3.0), seated(places, "a", None)
        seated(places, "c", 9.0)
        assert [each.gone for each in (lone, old, newer, busy)] == [False, True, False, False]
        assert len(places) == 4

    run(test)


def test_where_all_clients_wait_for_answers_one_more_is_refused_at_once() -> None:
    async def test() -> None:
        places, asked = Places(1, 1.0), asyncio.Event()

        class AtWork(asyncio.Protocol):
            def __init__(self, place: Place) -> None:
                place.guest = Guest(None)
                asked.set()

        listening = socket.create_server(("127.0.0.1", 0))
        where = listening.getsockname()
        listener = Listener(listening, places, AtWork, tls=None, handshake_s=1.0)
        _, first = await asyncio.open_connection(*where)
        await asked.wait()
        reader, second = await asyncio.open_connection(*where)
        answer = await asyncio.wait_for(reader.read(), 30)
        assert answer.startswith(b"HTTP/1.1 503") and answer.endswith(BUSY)
        for writer in (first, second):
            writer.close()
        listener.close()

    run(test)


def test_without_a_descriptor_accepting_waits_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        opened, tried = asyncio.Event(), 0

        class Counting(socket.socket):
            def accept(self) -> tuple[socket.socket, Any]:
                nonlocal tried
                tried += 1
                return super().accept()

        class Seated(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                opened.set()

        listening = Counting()
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        listener = Listener(listening, Places(9, 1.0), lambda place: Seated(), tls=None, handshake_s=1.0)
        client = socket.socket()
        allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
        highest = max(int(name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208
        spare = [os.dup(0) for _ in range(highest)]  # no gaps below the limit
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(spare) + 1, allowed[1]))
        try:
            client.connect(listening.getsockname())
            await asyncio.sleep(0.55)
            assert not opened.is_set() and 2 <= tried < 10
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, allowed)
            for descriptor in spare:
                os.close(descriptor)
        await asyncio.wait_for(opened.wait(), 30)
        listener.close()
        client.close()

    sparing, logger = OnceInAWhile(), logging.getLogger("edgefer.serve")
    logger.addFilter(sparing)
    try:
        run(test)
    finally:
        logger.removeFilter(sparing)
    assert [record.getMessage() for record in caplog.records] == [
        "no connection can be accepted: Too many open files"
    ]


def test_as_many_as_wanted_or_as_descriptors_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for allowed, most in (
        (resource.RLIM_INFINITY, 500),
        (100_000, 500),
        (opened + 140, 99),
        (opened, FEWEST),
    ):
        monkeypatch.setattr(resource, "getrlimit", lambda which, soft=allowed: (soft, soft))
        assert abs(most_connections(500) - most) <= 2


def test_what_repeats_is_logged_once_in_a_while_with_how_often() -> None:
    sparing, told = OnceInAWhile(0.05), []

    def log(message: str, *args: object, level: int = logging.WARNING) -> None:
        record = logging.LogRecord("edgefer", level, "", 0, message, args, None)
        if sparing.filter(record):
            told.append(record.getMessage())

    for _ in range(100):
        log("full of %s", "a")
    log("full of %s", "b")
    for _ in range(3):
        log("reloaded", level=logging.INFO)
    assert told == ["full of a", "full of b", "reloaded", "reloaded", "reloaded"]
    asyncio.run(asyncio.sleep(0.06))
    log("full of %s", "a")
    assert told[-1] == "full of a (99 more like it before this one)"
    for number in range(1000):
        log("%s", number)
    assert len(sparing._seen) < 300
