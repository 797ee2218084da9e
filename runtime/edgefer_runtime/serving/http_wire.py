"""HTTP/1.1 as uvicorn reads it with httptools, which keeps headers of any length, made to give up on them."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

FRAMING_BYTES = 64 << 10
"""Bytes of a request that are none of its body's, and as many more as its body has."""


class Protocol(HttpToolsProtocol):
    """A connection; it is shut, with 400, when headers, trailers or what is between chunks do not end."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._framing = self._allowed = 0

    def data_received(self, data: bytes) -> None:
        """Count, then parse."""
        self._framing += len(data)
        super().data_received(data)
        if self._framing > FRAMING_BYTES + self._allowed and not self.transport.is_closing():
            self.send_400_response("Headers too long.")

    def on_body(self, body: bytes) -> None:
        """Take these bytes off the account."""
        self._framing -= len(body)
        self._allowed += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Begin a new account."""
        self._framing = self._allowed = 0
        super().on_message_complete()
