"""Memory that was taken for a moment goes back to the system."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache


def give_back_memory() -> bool:
    """Return to the system what this process has freed; whether the C library can.

    glibc keeps freed blocks of up to 32 MiB for later, in each thread's own heap: after a few large pictures
    in four threads that was 300 MB.
    """
    trim = _trim()
    if trim is not None:
        trim(0)
    return trim is not None


@cache
def _trim() -> Callable[[int], int] | None:
    """glibc's ``malloc_trim``, where the system has it."""
    try:
        function = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):  # musl, macOS, Windows
        return None
    function.argtypes, function.restype = [ctypes.c_size_t], ctypes.c_int
    return function
