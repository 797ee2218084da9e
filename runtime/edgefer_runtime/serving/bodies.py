"""Bodies of HTTP requests: measured before they are read, inflated no further than they may be."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from edgefer_runtime.serving.refusals import (
    BAD_REQUEST,
    CLIENT_GONE,
    TOO_LARGE,
    UNAVAILABLE,
    UNSUPPORTED_MEDIA,
    Refusal,
)

WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
"""Content codings -> zlib's word for them."""

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


THREAD_BYTES = 4096
"""A coded body from this size on is inflated beside the event loop, which all other requests need."""


class Budget:
    """Bytes that the bodies of all requests together may hold.

    Args:
        limit_bytes: so many.
        free_bytes: what each may have besides, so that large ones keep no small one out.
    """

    def __init__(self, limit_bytes: int, free_bytes: int = 0) -> None:
        self.limit_bytes, self.free_bytes, self.held_bytes = limit_bytes, free_bytes, 0

    @contextmanager
    def account(self) -> Iterator[Callable[[int], None]]:
        """A function that takes more bytes; all are given back at the end.

        It raises a Refusal, 503, when there are none left.
        """
        mine, free = 0, self.free_bytes

        def take(count: int) -> None:
            nonlocal mine, free
            spared = min(free, count)
            count, free = count - spared, free - spared
            if count and self.held_bytes + count > self.limit_bytes:
                raise Refusal(UNAVAILABLE, "too many large requests at once", retry_after_s=1)
            self.held_bytes += count
            mine += count

        try:
            yield take
        finally:
            self.held_bytes -= mine


async def read_body(
    receive: Receive, declared: int | None, coding: str, limit: int, take: Callable[[int], None]
) -> bytes:
    """All of a request's body, inflated.

    Args:
        receive: ASGI's.
        declared: what ``Content-Length`` says.
        coding: what ``Content-Encoding`` says; empty for none.
        limit: bytes it may have, as sent and inflated.
        take: accounts for bytes as they come: what a client only announces takes no other's place.

    Raises:
        Refusal: 413 for more than ``limit``, 415 for another coding, 400 for a damaged one, 499 for one that
            ended too early; 503 from ``take``.
    """
    if coding not in ("", "identity", *WINDOWS):
        raise Refusal(UNSUPPORTED_MEDIA, f"content coding {coding[:80]!r}; expected {' or '.join(WINDOWS)}")
    if declared is not None and declared > limit:
        raise Refusal(TOO_LARGE, f"a body of {declared} bytes; at most {limit}")
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(CLIENT_GONE, "the client hung up")
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise Refusal(TOO_LARGE, f"a body of more than {limit} bytes")
        take(len(chunk))
        chunks.append(chunk)
        if not message.get("more_body", False):
            break
    body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
    if coding not in WINDOWS:
        return body
    if len(body) < THREAD_BYTES:
        inflated = inflate(body, coding, limit)
    else:
        inflated = await asyncio.to_thread(inflate, body, coding, limit)
    take(len(inflated))
    return inflated


def inflate(body: bytes, coding: str, limit: int) -> bytes:
    """``body`` without its coding; no more than ``limit`` bytes are ever made of it.

    Raises:
        Refusal: 413 for more than ``limit``, 400 for a body that is damaged, cut short, or goes on behind.
    """
    stream = zlib.decompressobj(WINDOWS[coding])
    try:
        inflated = stream.decompress(body, limit + 1)
    except zlib.error:
        raise Refusal(BAD_REQUEST, f"a body that is no {coding}") from None
    if len(inflated) > limit:
        raise Refusal(TOO_LARGE, f"a body of more than {limit} bytes, inflated")
    if not stream.eof or stream.unused_data:
        raise Refusal(BAD_REQUEST, f"a {coding} body that is cut short, or goes on behind its end")
    return inflated
