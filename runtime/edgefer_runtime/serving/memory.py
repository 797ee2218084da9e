"""Memory that comes back: what large requests took is given to the system again, not kept for the next."""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Callable
from pathlib import Path

SLACK_BYTES = 32 << 20
"""What may be kept beyond the least that was held so far."""

LOOK_S = 1.0
LONGEST_S = 8.0
"""Between two attempts, where there is nothing to give back: what is held is in use."""


async def keep_small() -> None:
    """Return freed memory whenever much of it may be held; runs until it is cancelled.

    glibc keeps what is freed between blocks that are in use, for each thread by itself.
    """
    trim = _trim()
    if trim is None:
        return
    least, wait_s = rss_bytes(), LOOK_S
    while True:
        await asyncio.sleep(wait_s)
        before = rss_bytes()
        if before - least <= SLACK_BYTES:
            wait_s = LOOK_S
            continue
        await asyncio.to_thread(trim, 0)
        after = rss_bytes()
        least = min(least, after)
        wait_s = LOOK_S if before - after > SLACK_BYTES // 4 else min(2 * wait_s, LONGEST_S)


def rss_bytes() -> int:
    """What this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _trim() -> Callable[[int], int] | None:
    """glibc's ``malloc_trim``, where the system has it."""
    try:
        rss_bytes()
        function = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return None
    function.argtypes, function.restype = [ctypes.c_size_t], ctypes.c_int
    return function
