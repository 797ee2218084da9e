"""Connections: how many there may be, who makes room, and how long one is waited for.

A connection whose client is awaited (it says nothing, sends a request by and by, or does not take its answer)
costs a place and does nothing for it. It is given a deadline; and when all places are taken, the one that has
waited longest, of the host that has most of them, makes room for the next. So half-sent requests, however
many, keep nobody out. Only a server all of whose connections wait for its answers refuses.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

log = logging.getLogger("edgefer.serve")

SWEEP_S = 0.5
PAUSE_S = 0.1
"""Until an accept is tried again that found no descriptor."""

ACCEPTS = 16
"""Connections accepted before those that are there have their turn, and descriptors of those that made room
are free again.
"""

RESERVED_DESCRIPTORS = 40
"""Kept for what is no connection: bundles opened anew, and connections that are being accepted or closed."""

FEWEST = 8
BUSY = b'{"error":"too many connections"}'
REFUSED = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
    b"retry-after: 1\r\nconnection: close\r\n\r\n%b" % (len(BUSY), BUSY)
)


class Guest(Protocol):
    """What speaks over a connection, as this module sees it."""

    def awaited_since(self) -> float | None:
        """Since when its client is awaited, by the loop's clock; None while the client awaits an answer."""

    def expire(self, now: float) -> None:
        """Give up what was waited for too long by now."""

    def abort(self) -> None:
        """Go at once."""


class Place:
    """One connection's: until its guest has come, that is, while TLS is shaken hands on, it is its own."""

    def __init__(self, host: str, now: float, handshake_s: float) -> None:
        self.host, self._since, self._handshake_s = host, now, handshake_s
        self.guest: Guest = self
        self.task: asyncio.Task[None] | None = None

    def awaited_since(self) -> float | None:
        """From the start."""
        return self._since

    def expire(self, now: float) -> None:
        """Hang up on who takes too long."""
        if now - self._since > self._handshake_s:
            self.abort()

    def abort(self) -> None:
        """Hang up."""
        if self.task is not None:
            self.task.cancel()


class Places:
    """All places.

    Args:
        limit: how many.
        timeout_s: how long a handshake may take.
    """

    def __init__(self, limit: int, timeout_s: float) -> None:
        self.limit, self._timeout_s = limit, timeout_s
        self._taken: set[Place] = set()

    def __len__(self) -> int:
        return len(self._taken)

    def take(self, host: str) -> Place | None:
        """A place for a connection from ``host``; None if all clients wait for answers.

        Another connection may have been hung up on for it; its descriptor is free soon, not yet.
        """
        if len(self._taken) >= self.limit and not self.make_room():
            log.warning("more than %d connections, all at work: others are refused", self.limit)
            return None
        place = Place(host, asyncio.get_running_loop().time(), self._timeout_s)
        self._taken.add(place)
        return place

    def leave(self, place: Place) -> None:
        """It is free again."""
        self._taken.discard(place)

    def make_room(self) -> bool:
        """Hang up on the client that was awaited longest, of the host with most of them; False for none."""
        awaited = [
            (since, place) for place in self._taken if (since := place.guest.awaited_since()) is not None
        ]
        if not awaited:
            return False
        of_hosts = Counter(place.host for _, place in awaited)
        most = max(of_hosts.values())
        _, place = min((each for each in awaited if of_hosts[each[1].host] == most), key=lambda each: each[0])
        log.warning("all %d connections are taken: those that wait longest make room", self.limit)
        self.leave(place)
        place.guest.abort()
        return True

    def sweep(self, now: float) -> None:
        """Have every guest give up what was waited for too long."""
        for place in [*self._taken]:
            place.guest.expire(now)


class Listener:
    """Accepts connections, as ``asyncio.Server`` does, and gives each a place.

    Of asyncio's own, each failed accept is logged and tried again together with all that failed before.

    Args:
        listening: the socket.
        places: for its connections.
        open_guest: makes what speaks over a connection.
        tls: to be spoken first.
        handshake_s: how long that may take.
    """

    def __init__(
        self,
        listening: socket.socket,
        places: Places,
        open_guest: Callable[[Place], asyncio.Protocol],
        *,
        tls: ssl.SSLContext | None,
        handshake_s: float,
    ) -> None:
        self._socket, self._places, self._open_guest = listening, places, open_guest
        self._tls, self._handshake_s = tls, handshake_s
        self._loop = asyncio.get_running_loop()
        self._opening: set[asyncio.Task[None]] = set()
        self._retry: asyncio.TimerHandle | None = None
        self._sweep = self._loop.call_later(SWEEP_S, self._sweep_places)
        listening.setblocking(False)
        self._loop.add_reader(listening, self._accept)

    def close(self) -> None:
        """Accept no more, and hang up on those that shake hands."""
        self._loop.remove_reader(self._socket)
        if self._retry is not None:
            self._retry.cancel()
        self._socket.close()
        for task in self._opening:
            task.cancel()

    async def wait_closed(self) -> None:
        """Wait for nothing more: connections are others' business."""
        self._sweep.cancel()

    def _sweep_places(self) -> None:
        self._places.sweep(self._loop.time())
        self._sweep = self._loop.call_later(SWEEP_S, self._sweep_places)

    def _accept(self) -> None:
        for _ in range(ACCEPTS):
            try:
                connection, address = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._pause(error)
                return
            connection.setblocking(False)
            place = self._places.take(str(address[0]))
            if place is None:
                self._refuse(connection)
                continue
            place.task = self._loop.create_task(self._open(connection, place))
            self._opening.add(place.task)
            place.task.add_done_callback(self._opening.discard)

    def _pause(self, error: OSError) -> None:
        """Give what uses descriptors time: the socket stays readable, and would be tried for ever."""
        if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
            log.error("a connection could not be accepted: %s", error.strerror)
        else:
            self._places.make_room()
            log.error("no connection can be accepted: %s", os.strerror(error.errno))
        self._loop.remove_reader(self._socket)
        self._retry = self._loop.call_later(PAUSE_S, self._loop.add_reader, self._socket, self._accept)

    def _refuse(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            if self._tls is None:
                connection.send(REFUSED)
                connection.shutdown(socket.SHUT_WR)
                connection.recv(1 << 16)  # what is left unread makes of the close a reset

    async def _open(self, connection: socket.socket, place: Place) -> None:
        try:
            await self._loop.connect_accepted_socket(
                lambda: self._open_guest(place),
                connection,
                ssl=self._tls,
                ssl_handshake_timeout=None if self._tls is None else self._handshake_s,
            )
        except BaseException as error:
            self._places.leave(place)
            connection.close()
            if not isinstance(error, (OSError, asyncio.CancelledError)):
                raise


def most_connections(wanted: int) -> int:
    """How many of ``wanted`` connections this process may have by its limit on open descriptors.

    Called when everything else is open.
    """
    try:
        import resource

        allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        opened = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are enough
    except (ImportError, OSError):  # no Linux
        return wanted
    if allowed == resource.RLIM_INFINITY:
        return wanted
    return max(FEWEST, min(wanted, allowed - opened - RESERVED_DESCRIPTORS))
