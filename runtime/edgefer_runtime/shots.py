"""A camera's frame and the moment it came."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One frame of a camera.

    Attributes:
        image: uint8, H x W x 3, RGB.
        number: of all that arrived, from 0; where it skips, frames were dropped.
        time_s: when it arrived, ``time.monotonic()``.
        captured_ns: the same moment, nanoseconds since 1970: what a message says, and what a robot looks its
            pose up by.
    """

    image: Image
    number: int
    time_s: float
    captured_ns: int


def now() -> tuple[float, int]:
    """This moment on both clocks: ``time_s`` and ``captured_ns`` of a frame that has just come."""
    return time.monotonic(), time.time_ns()
