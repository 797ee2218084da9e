"""A camera's frame as bytes: 32 bytes of head, then pixels or a JPEG file.

    0   4  "EFF1"
    4   4  "rgb8" or "bgr8": the pixels, row by row, three bytes each; "jpeg": a JPEG file
    8   4  width, and at 12 height: pixels; of no meaning for a JPEG file, which says them itself
    16  8  the frame's number
    24  8  when it was taken: nanoseconds since 1970-01-01 UTC

Numbers are little-endian and unsigned. A JPEG file alone is a frame too: its number and time are then those
of its arrival.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.errors import DataError
from edgefer_runtime.images import check_crop, decode_image

MAGIC, JPEG_MAGIC = b"EFF1", b"\xff\xd8\xff"
RGB, BGR, JPEG = b"rgb8", b"bgr8", b"jpeg"
SIDE_LIMIT = 1 << 14
"""Pixels of a frame's longer side: one that is all length has few pixels, and costs who looks for faces in
it a multiple of them.
"""

PAYLOAD_LIMIT = 256 << 20
"""Bytes of a payload; a longer one is no frame, and is not even taken."""

_HEAD = struct.Struct("<4s4sIIQQ")


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One frame of a camera.

    Attributes:
        id: its number.
        captured_ns: when it was taken, nanoseconds since 1970 (UTC).
        image: uint8, H x W x 3, RGB; read only when it came over a network.
    """

    id: int
    captured_ns: int
    image: NDArray[np.uint8]


def encode_frame(image: NDArray[np.uint8] | bytes, *, frame_id: int, captured_ns: int) -> bytes:
    """A frame as bytes.

    Args:
        image: uint8, H x W x 3, RGB; or a JPEG file, as many cameras give them.
        frame_id: its number, from 0.
        captured_ns: when it was taken, ``time.time_ns()``.

    Raises:
        DataError: an image of another type or shape.
    """
    if isinstance(image, bytes):
        return _HEAD.pack(MAGIC, JPEG, 0, 0, frame_id, captured_ns) + image
    check_crop(image)
    height, width = image.shape[:2]
    return _HEAD.pack(MAGIC, RGB, width, height, frame_id, captured_ns) + image.tobytes()


def decode_frame(payload: bytes, *, frame_id: int, captured_ns: int) -> Frame:
    """The frame in ``payload``.

    Args:
        payload: what :func:`encode_frame` made, or a JPEG file.
        frame_id, captured_ns: number and time of a JPEG file, which has none.

    Raises:
        DataError: neither, cut short or too long, a JPEG file that is damaged or has over 64 Mi pixels,
            or a side of more than :data:`SIDE_LIMIT`.
        MissingError: a JPEG file, and Pillow is not installed.
    """
    if payload.startswith(JPEG_MAGIC):
        return Frame(frame_id, captured_ns, decode_image(payload))
    if len(payload) < _HEAD.size or not payload.startswith(MAGIC):
        raise _damaged(f"{len(payload)} bytes that start with {payload[:4]!r}")
    _, kind, width, height, number, taken_ns = _HEAD.unpack_from(payload)
    if kind == JPEG:
        return Frame(number, taken_ns, decode_image(payload[_HEAD.size :]))
    if kind not in (RGB, BGR):
        raise _damaged(f"pixels of kind {kind!r}")
    if not width * height or len(payload) != _HEAD.size + 3 * width * height:
        raise _damaged(f"{len(payload)} bytes for {width} x {height} pixels")
    if max(width, height) > SIDE_LIMIT:
        raise _damaged(f"{width} x {height} pixels; at most {SIDE_LIMIT} a side")
    image = np.frombuffer(payload, np.uint8, offset=_HEAD.size).reshape(height, width, 3)
    return Frame(number, taken_ns, image[..., ::-1] if kind == BGR else image)


def _damaged(found: str) -> DataError:
    return DataError(
        f"a frame that cannot be read: {found}",
        expected="a JPEG file, or what edgefer_runtime.messages.frames describes",
        action="check what sends the frames",
    )
