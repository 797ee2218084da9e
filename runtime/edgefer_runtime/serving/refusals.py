"""What a request is refused for, as the status codes of HTTP say it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 400, 401, 403, 404
REQUEST_TIMEOUT, TOO_LARGE, UNSUPPORTED_MEDIA, MISDIRECTED = 408, 413, 415, 421
CLIENT_GONE = 499
INTERNAL, NOT_IMPLEMENTED, UNAVAILABLE, DEADLINE_EXCEEDED = 500, 501, 503, 504


class Refusal(Exception):  # noqa: N818 - most are no error of anybody's
    """An answer other than the one asked for.

    Args:
        status: as HTTP numbers it; gRPC's codes are made from it.
        message: for the client; never anything of what was sent but names and numbers.
        retry_after_s: when to try again, for a server that is busy.
    """

    def __init__(self, status: int, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.retry_after_s = status, message, retry_after_s


@contextmanager
def within(seconds: float, refusal: Refusal) -> Iterator[None]:
    """Cancel what is awaited inside after ``seconds``, and raise ``refusal`` in its place.

    As ``asyncio.timeout``, which Python 3.10 lacks; costs no task.
    """
    if seconds <= 0:
        raise refusal
    task, expired = asyncio.current_task(), False

    def expire() -> None:
        nonlocal expired
        expired = True
        if task is not None:
            task.cancel()

    timer = asyncio.get_running_loop().call_later(seconds, expire)
    try:
        yield
    except asyncio.CancelledError:
        if expired:
            raise refusal from None
        raise
    finally:
        timer.cancel()
