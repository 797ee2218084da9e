"""Memory that was taken for a moment goes back to the system."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any


def give_back_memory() -> None:
    """Return to the system what this process has freed; where the C library cannot, nothing happens.

    glibc keeps freed blocks of up to 32 MiB for later, in each thread's own heap: after a few large pictures
    in four threads that was 300 MB.
    """
    if trim := _trim():
        trim(0)


@cache
def _trim() -> Callable[[int], Any] | None:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):  # musl, macOS, Windows
        return None
