"""Face crops as tensors of the protocol: refused by their shape before a byte of them is touched."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.contract import INPUT
from edgefer_runtime.serving.limits import Limits
from edgefer_runtime.serving.refusals import BAD_REQUEST, TOO_LARGE, Refusal

DATATYPE = "UINT8"
SHAPE = (-1, -1, -1, 3)


def check_shape(name: Any, datatype: Any, shape: Any, limits: Limits) -> tuple[int, ...]:
    """The shape of the request's one input, if the engine could take it.

    Raises:
        Refusal: 400 for another name, type or shape, 413 for more than ``limits`` allow.
    """
    if name != INPUT:
        raise Refusal(BAD_REQUEST, f"input {str(name)[:80]!r}; expected {INPUT!r}")
    if datatype != DATATYPE:
        raise Refusal(BAD_REQUEST, f"input {INPUT!r} of datatype {str(datatype)[:80]!r}; expected {DATATYPE}")
    if (
        not isinstance(shape, Sequence)
        or isinstance(shape, str)
        or len(shape) != len(SHAPE)
        or not all(type(length) is int and length > 0 for length in shape)
        or shape[3] != 3
    ):
        raise Refusal(BAD_REQUEST, f"input {INPUT!r} of another shape than N x H x W x 3, each at least 1")
    if shape[0] > limits.faces:
        raise Refusal(TOO_LARGE, f"{shape[0]} faces in a request; at most {limits.faces}")
    if max(shape[1:3]) > limits.side:
        raise Refusal(TOO_LARGE, f"faces of {shape[1]} x {shape[2]} pixels; at most {limits.side} a side")
    return tuple(shape)


def from_raw(raw: bytes | memoryview, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """The tensor whose bytes are ``raw``, without a copy.

    Raises:
        Refusal: another number of bytes than ``shape`` asks for.
    """
    if len(raw) != math.prod(shape):
        raise Refusal(
            BAD_REQUEST, f"{len(raw)} bytes for input {INPUT!r}; its shape takes {math.prod(shape)}"
        )
    return np.frombuffer(raw, np.uint8).reshape(shape)


def check_values(count: int, shape: tuple[int, ...], limits: Limits) -> None:
    """Raise unless so many values, each an object of its own in memory, fill ``shape`` and are not too many.

    Raises:
        Refusal: 400 or 413.
    """
    if count != math.prod(shape):
        raise Refusal(BAD_REQUEST, f"{count} values for input {INPUT!r}; its shape takes {math.prod(shape)}")
    if count > limits.json_bytes:
        raise Refusal(TOO_LARGE, f"{count} values; at most {limits.json_bytes}: send raw contents")


def from_values(values: Any, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """The tensor whose values are a list of integers, flat or nested as ``shape`` says.

    Raises:
        Refusal: another number of values, or some that are no integers from 0 to 255.
    """
    try:
        array = np.asarray(values)
    except (ValueError, OverflowError, RecursionError):
        array = np.empty(0)
    if array.shape not in (shape, (math.prod(shape),)):
        raise Refusal(BAD_REQUEST, f"data of input {INPUT!r} that is not as its shape says")
    if array.dtype.kind not in "iu" or array.min() < 0 or array.max() > 255:
        raise Refusal(BAD_REQUEST, f"data of input {INPUT!r} with other values than integers from 0 to 255")
    return array.astype(np.uint8).reshape(shape)


def no_shared_memory() -> Refusal:
    """The refusal for a tensor that lies in memory which client and server would share."""
    return Refusal(BAD_REQUEST, "shared memory, which this server does not use")


def pack_strings(strings: Sequence[str]) -> bytes:
    """Strings as a BYTES tensor: each after its length, four bytes, little-endian."""
    encoded = [string.encode() for string in strings]
    return b"".join(struct.pack("<I", len(string)) + string for string in encoded)
