"""``edgefer.faces/1``: what is written can be read back, and what is not of that form is refused."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgefer_runtime.errors import DataError
from edgefer_runtime.messages.schema import (
    FacesMessage,
    decode_faces,
    encode_faces,
    faces_as_json,
)


@dataclass
class Face:
    box: NDArray[np.float32]
    landmarks: NDArray[np.float32] | None
    score: float
    label: str
    probabilities: NDArray[np.float32]
    classes: tuple[str, ...]
    track: int | None


def make_face(seed: int, landmarks: bool = True, track: int | None = 3) -> Face:
    random = np.random.default_rng(seed)
    classes = ("neutral", "happiness", "Überraschung")
    probabilities = random.dirichlet(np.ones(3)).astype(np.float32)
    return Face(
        random.uniform(-50, 4000, 4).astype(np.float32),
        random.uniform(-50, 4000, (6, 2)).astype(np.float32) if landmarks else None,
        float(np.float32(random.uniform())),
        classes[int(probabilities.argmax())],
        probabilities,
        classes,
        track,
    )


def make_message(*faces: Face, frame_id: int | str = 7) -> FacesMessage:
    return faces_as_json(
        faces,
        frame_id=frame_id,
        captured_ns=1_790_000_000_123_456_789,
        width=640,
        height=480,
        model="m-o-int8",
    )


@given(
    st.lists(
        st.builds(make_face, st.integers(0, 999), st.booleans(), st.none() | st.integers(0, 9)), max_size=5
    ),
    st.integers() | st.text(),
)
def test_what_is_written_is_read_back(faces: list[Face], frame_id: int | str) -> None:
    payload = encode_faces(make_message(*faces, frame_id=frame_id))
    assert b"\n" not in payload
    message = decode_faces(payload)
    assert message["frame"] == {
        "id": frame_id,
        "captured_ns": 1_790_000_000_123_456_789,
        "width": 640,
        "height": 480,
    }
    for face, read in zip(faces, message["faces"], strict=True):
        np.testing.assert_allclose([*read["box"].values()], face.box, atol=0.006)
        assert (*read["probabilities"],) == face.classes
        np.testing.assert_allclose([*read["probabilities"].values()], face.probabilities, atol=1e-6)
        assert max(read["probabilities"], key=read["probabilities"].__getitem__) == read["label"]
        assert (read["landmarks"] is None) == (face.landmarks is None)
        if face.landmarks is not None:
            np.testing.assert_allclose(read["landmarks"]["left_eye"], face.landmarks[1], atol=0.006)
        assert read["track"] == face.track


def test_numbers_are_short() -> None:
    numbers = re.findall(rb"\d+\.\d+", encode_faces(make_message(make_face(0))))
    assert len(numbers) == 4 + 12 + 1 + 3 and max(map(len, numbers)) <= len("4000.00 ")


def edit(change: Callable[[dict], object]) -> bytes:
    message = copy.deepcopy(make_message(make_face(0)))
    change(message)
    return json.dumps(message).encode()


BAD = {
    "no JSON": (b"hello", "no JSON"),
    "cut short": (encode_faces(make_message(make_face(0)))[:-5], "no JSON"),
    "not UTF-8": (b"\xff\xfe\x00{", "no JSON"),
    "too deep": (b"[" * 100_000, "no JSON"),
    "a number JSON has not": (
        edit(lambda m: m["faces"][0].update(score=float("nan"))),
        "= nan",
    ),
    "a list": (b"[]", r"the message is \[\], no object"),
    "another schema": (edit(lambda m: m.update(schema="edgefer.faces/9")), "'edgefer.faces/9', not"),
    "no frame": (edit(lambda m: m.pop("frame")), "the message has no frame"),
    "no width": (edit(lambda m: m["frame"].update(width=0)), "frame.width is 0"),
    "a width that is true": (
        edit(lambda m: m["frame"].update(width=True)),
        "frame.width is True, no integer",
    ),
    "faces that are none": (edit(lambda m: m.update(faces=None)), "faces is None, no array"),
    "a box of three": (edit(lambda m: m["faces"][0]["box"].pop("top")), r"faces\[0\].box has no top"),
    "a box of words": (edit(lambda m: m["faces"][0]["box"].update(top="a")), r"box.top is 'a', no number"),
    "a score over one": (edit(lambda m: m["faces"][0].update(score=1.5)), "score is 1.5"),
    "no probabilities": (edit(lambda m: m["faces"][0].update(probabilities={})), "probabilities is empty"),
    "a probability below zero": (edit(lambda m: m["faces"][0]["probabilities"].update(neutral=-0.1)), "-0.1"),
    "a point of three": (edit(lambda m: m["faces"][0]["landmarks"].update(nose=[1, 2, 3])), "has 3 elements"),
    "no nose": (edit(lambda m: m["faces"][0]["landmarks"].pop("nose")), "landmarks has no nose"),
    "a track that is a word": (edit(lambda m: m["faces"][0].update(track="a")), "no integer or null"),
}


@pytest.mark.parametrize("name", BAD)
def test_another_form_is_refused(name: str) -> None:
    payload, found = BAD[name]
    with pytest.raises(DataError, match=found) as caught:
        decode_faces(payload)
    assert caught.value.expected


def test_fields_of_a_later_version_are_passed_over() -> None:
    assert decode_faces(edit(lambda m: m["faces"][0].update(age=40)))["faces"][0]["label"]


def test_a_number_that_is_not_finite_is_never_sent() -> None:
    face = make_face(0)
    face.probabilities[1] = np.nan
    with pytest.raises(ValueError, match="JSON compliant"):
        encode_faces(make_message(face))


def test_the_documented_message_is_one() -> None:
    page = (Path(__file__).parents[2] / "docs/messages.md").read_text()
    example = page.partition("```json\n")[2].partition("```")[0]
    assert decode_faces(example)["faces"][0]["label"] == "happiness"
