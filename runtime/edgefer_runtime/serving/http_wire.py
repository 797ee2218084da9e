"""HTTP/1.1 as uvicorn reads it with httptools, which keeps headers of any length and waits for them for ever,
made to give up on both.
"""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import AbstractContextManager, nullcontext
from http import HTTPStatus
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from edgefer_runtime.serving.connections import Listener, Place, Places
from edgefer_runtime.serving.limits import IDLE_S
from edgefer_runtime.serving.refusals import BAD_REQUEST, REQUEST_TIMEOUT

FRAMING_BYTES = 64 << 10
"""Bytes of a request that are none of its body's, and as many more as its body has."""

GRACE_S = 1.0
"""Beyond a request's own deadline, which the application keeps, until its connection is cut."""


class Server(uvicorn.Server):
    """uvicorn's, behind a :class:`Listener`; whoever starts it shuts it down.

    Args:
        config: uvicorn's.
        listening: the socket.
        places: for connections.
        timeout_s: longest time for a request's head, its body, and for the client to take its answer.
    """

    def __init__(
        self, config: uvicorn.Config, listening: socket.socket, places: Places, timeout_s: float
    ) -> None:
        super().__init__(config)
        self._listening, self._places, self._timeout_s = listening, places, timeout_s

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        """Leave them alone: both doors are shut from outside."""
        return nullcontext()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept."""
        await super().startup(sockets=[])
        listener = Listener(
            self._listening, self._places, self._guest, tls=self.config.ssl, handshake_s=self._timeout_s
        )
        self.servers.append(listener)  # type: ignore[arg-type]

    def _guest(self, place: Place) -> HttpToolsProtocol:
        return Connection(
            self.config, self.server_state, self.lifespan.state, self._places, place, self._timeout_s
        )


class Connection(HttpToolsProtocol):
    """A connection that gives up: on headers, trailers or what is between chunks when they do not end, and on
    a client that takes too long to send a request or to take an answer.
    """

    def __init__(
        self, config: Any, server_state: Any, app_state: Any, places: Places, place: Place, timeout_s: float
    ) -> None:
        super().__init__(config, server_state, app_state)
        self._places, self._place, self._timeout_s = places, place, timeout_s
        self._framing = self._allowed = 0
        self._since = self.loop.time()
        self._receiving = False  # a request has begun to come
        self._headed = False  # and its head is there
        self._owed = 0  # answers to requests that have come
        self._unsent = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the place."""
        super().connection_made(transport)
        self._since, self._place.guest = self.loop.time(), self

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the place."""
        self._places.leave(self._place)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count, then parse."""
        self._framing += len(data)
        super().data_received(data)
        if self._framing > FRAMING_BYTES + self._allowed and not self.transport.is_closing():
            self.send_400_response("Headers too long.")

    def on_message_begin(self) -> None:
        """A request begins to come."""
        super().on_message_begin()
        self._since, self._receiving, self._headed = self.loop.time(), True, False

    def on_headers_complete(self) -> None:
        """The rest is its body."""
        self._headed = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take these bytes off the account."""
        self._framing -= len(body)
        self._allowed += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Begin a new account; from now on it is the client who waits."""
        self._framing = self._allowed = 0
        self._receiving = False
        if not self.cycle.response_complete:
            self._owed += 1
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The client's turn again."""
        self._since, self._owed = self.loop.time(), max(0, self._owed - 1)
        super().on_response_complete()

    def pause_writing(self) -> None:
        """The client does not take what it asked for."""
        self._since, self._unsent = self.loop.time(), True
        super().pause_writing()

    def resume_writing(self) -> None:
        """It does."""
        self._since, self._unsent = self.loop.time(), False
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, and hang up."""
        self._hang_up(BAD_REQUEST, msg)

    def awaited_since(self) -> float | None:
        """See :class:`edgefer_runtime.serving.connections.Guest`."""
        return self._since if self._unsent or not self._owed else None

    def expire(self, now: float) -> None:
        """Hang up on a client that takes too long; one that is half through a head is told."""
        since = self.awaited_since()
        if since is None:
            return
        left = self.transport.get_write_buffer_size() > 0
        if not (self._receiving or left or self.cycle is None):
            if now - since > IDLE_S:
                self.transport.close()
        elif self._receiving and not self._headed and not left:
            if now - since > self._timeout_s and not self.transport.is_closing():
                self._hang_up(REQUEST_TIMEOUT, f"the head did not come within {self._timeout_s:g} s")
        elif now - since > self._timeout_s + GRACE_S:
            self.abort()

    def abort(self) -> None:
        """Hang up at once, whatever is on its way."""
        self.transport.abort()

    def _hang_up(self, status: int, message: str) -> None:
        body = json.dumps({"error": message}).encode()
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
