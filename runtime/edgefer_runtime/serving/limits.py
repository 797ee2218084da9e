"""What requests and connections may ask for; where they are expected."""

from __future__ import annotations

from dataclasses import dataclass

HTTP_PORT = 8000

IDLE_S = 75
"""How long a connection is kept that asks for nothing."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What requests may ask for, and how many there may be at once.

    Attributes:
        body_bytes: of a request, as sent and inflated.
        json_bytes: of the part that is JSON, whose numbers take twenty times their text in memory.
        faces: crops in a request.
        side: pixels of a crop's or raw frame's side.
        pixels: of a picture, which takes far less as a file than once it is decoded.
        timeout_s: longest time from the request's first byte to its answer.
        connections: open at once.
    """

    body_bytes: int = 16 << 20
    json_bytes: int = 4 << 20
    faces: int = 64
    side: int = 8192
    pixels: int = 1 << 24
    timeout_s: float = 10.0
    connections: int = 512
