"""Named random streams: the same key gives the same draws on every machine and with every numpy.

numpy guarantees the streams of ``RandomState`` for good and allows those of ``Generator`` to change
between releases (NEP 19), hence the older class. Every stream is keyed by what it decides, so that a
trait drawn anew for one purpose leaves all others as they were.
"""

from __future__ import annotations

import zlib

import numpy as np


def stream(purpose: str, *key: int) -> np.random.RandomState:
    """The random stream of one purpose and key.

    Args:
        purpose: what is drawn, e.g. ``"performance"``.
        key: whose, as non-negative integers, e.g. identity, expression and session.
    """
    return np.random.RandomState(np.array([zlib.crc32(purpose.encode()), *key], dtype=np.uint32))
