"""Memory that comes back: what large requests took is given to the system again, not kept for the next."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from edgefer_runtime.memory import give_back_memory

SLACK_BYTES = 32 << 20
"""What may be kept beyond the least that was held so far."""

LOOK_S = 1.0
LONGEST_S = 8.0
"""Between two attempts, where there is nothing to give back: what is held is in use."""


async def keep_small() -> None:
    """Return freed memory whenever much of it may be held; runs until it is cancelled.

    glibc keeps what is freed between blocks that are in use, for each thread by itself.
    """
    if rss_bytes() is None or not give_back_memory():
        return
    least, wait_s = rss_bytes() or 0, LOOK_S
    while True:
        await asyncio.sleep(wait_s)
        before = rss_bytes() or 0
        if before - least <= SLACK_BYTES:
            wait_s = LOOK_S
            continue
        await asyncio.to_thread(give_back_memory)
        after = rss_bytes() or 0
        least = min(least, after)
        wait_s = LOOK_S if before - after > SLACK_BYTES // 4 else min(2 * wait_s, LONGEST_S)


def rss_bytes() -> int | None:
    """What this process holds; None where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None
