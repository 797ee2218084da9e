"""Frames as bytes: what is written is read back; anything else is refused and nothing is decoded of it."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from edgefer_runtime.errors import DataError
from edgefer_runtime.messages.frames import decode_frame, encode_frame

IMAGES = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(lambda size: arrays(np.uint8, (*size, 3)))
COUNTS = st.integers(0, 2**64 - 1)


def head(kind: bytes, width: int, height: int, magic: bytes = b"EFF1") -> bytes:
    return magic + kind + struct.pack("<IIQQ", width, height, 5, 6)


@given(IMAGES, COUNTS, COUNTS)
def test_pixels_come_back_as_they_were(image: np.ndarray, number: int, taken_ns: int) -> None:
    frame = decode_frame(
        encode_frame(image, frame_id=number, captured_ns=taken_ns), frame_id=0, captured_ns=0
    )
    assert (frame.id, frame.captured_ns) == (number, taken_ns)
    assert np.array_equal(frame.image, image)


@given(
    st.sampled_from((b"", head(b"rgb8", 2, 2), head(b"jpeg", 0, 0), b"\xff\xd8\xff")), st.binary(max_size=80)
)
def test_any_bytes_are_a_frame_or_refused(start: bytes, payload: bytes) -> None:
    try:
        assert decode_frame(start + payload, frame_id=0, captured_ns=0).image.dtype == np.uint8
    except DataError as error:
        assert error.expected


def test_the_layout_is_the_documented_one() -> None:
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)[:, ::-1]
    assert encode_frame(image, frame_id=5, captured_ns=6) == head(b"rgb8", 2, 2) + image.tobytes()
    frame = decode_frame(head(b"bgr8", 2, 1) + bytes([1, 2, 3, 4, 5, 6]), frame_id=0, captured_ns=0)
    assert frame.image.tolist() == [[[3, 2, 1], [6, 5, 4]]] and (frame.id, frame.captured_ns) == (5, 6)


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        (b"", "0 bytes"),
        (head(b"rgb8", 2, 2)[:31], "31 bytes"),
        (head(b"rgb8", 2, 2) + bytes(11), "43 bytes for 2 x 2 pixels"),
        (head(b"rgb8", 2, 2) + bytes(13), "45 bytes for 2 x 2 pixels"),
        (head(b"rgb8", 0, 2), "0 x 2 pixels"),
        (head(b"rgb8", 2**32 - 1, 2**32 - 1), "4294967295 x 4294967295 pixels"),
        (head(b"mono", 2, 2) + bytes(4), "kind b'mono'"),
        (head(b"rgb8", 2, 2, b"EFF2") + bytes(12), "EFF2"),
        (head(b"jpeg", 2, 2) + b"no JPEG", "of no known kind"),
    ],
)
def test_a_damaged_frame_is_refused(payload: bytes, found: str) -> None:
    with pytest.raises(DataError, match=found):
        decode_frame(payload, frame_id=0, captured_ns=0)


def test_a_bomb_is_refused_by_its_head() -> None:
    file = io.BytesIO()
    Image.new("L", (8_400, 8_400)).save(file, "PNG")
    with pytest.raises(DataError, match="8,400 x 8,400 pixels\nexpected: at most 67,108,864 pixels"):
        decode_frame(head(b"jpeg", 0, 0) + file.getvalue(), frame_id=0, captured_ns=0)


def test_an_image_of_another_type_is_not_sent() -> None:
    with pytest.raises(DataError, match="float64"):
        encode_frame(np.zeros((2, 2, 3)), frame_id=0, captured_ns=0)
