"""Requests and replies against what Triton's own client writes and reads; and what is refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from edgefer_runtime.serving.limits import Limits
from edgefer_runtime.serving.protocol import InferReply, InferRequest, Wanted, encode_reply, parse_request
from edgefer_runtime.serving.refusals import Refusal

CLASSES = ("happiness", "sadness", "sürprise")
CROPS = array_shapes(min_dims=3, max_dims=3, max_side=6).flatmap(lambda shape: arrays(np.uint8, (*shape, 3)))
WANTED = st.builds(Wanted, st.booleans(), st.integers(0, 5))


def written(images: np.ndarray, binary: bool, wanted: Wanted | None, **more: Any) -> tuple[bytes, int | None]:
    tensor = triton.InferInput("images", list(images.shape), "UINT8")
    tensor.set_data_from_numpy(images, binary_data=binary)
    outputs = wanted and [
        triton.InferRequestedOutput("probabilities", binary_data=wanted.binary, class_count=wanted.classes)
    ]
    body, length = triton.InferenceServerClient.generate_request_body([tensor], outputs=outputs, **more)
    return body, length


@given(CROPS, st.booleans(), st.none() | WANTED, st.text(), st.none() | st.integers(1, 10**12))
def test_what_tritons_client_writes_is_read(
    images: np.ndarray, binary: bool, wanted: Wanted | None, identity: str, timeout_us: int | None
) -> None:
    body, length = written(images, binary, wanted, request_id=identity, timeout=timeout_us)
    request = parse_request(memoryview(body), length, Limits())
    np.testing.assert_array_equal(request.images, images)
    assert request.id == identity
    assert request.wanted == (wanted or Wanted(binary=True))
    assert request.timeout_s == (timeout_us and pytest.approx(timeout_us / 1e6))


@given(
    arrays(np.float32, st.tuples(st.integers(1, 4), st.just(3)), elements=st.floats(0, 1, width=32)), WANTED
)
def test_what_is_written_tritons_client_reads(probabilities: np.ndarray, wanted: Wanted) -> None:
    reply = InferReply("face", "3", probabilities, CLASSES)
    body, length = encode_reply(reply, InferRequest(np.zeros((1, 1, 1, 3), np.uint8), "7", wanted))
    result = triton.InferenceServerClient.parse_response_body(body, header_length=length)
    head = result.get_response()
    assert (head["model_name"], head["model_version"], head["id"]) == ("face", "3", "7")
    read = result.as_numpy("probabilities")
    if not wanted.classes:
        np.testing.assert_array_equal(read, probabilities)
        return
    assert read.shape == (len(probabilities), min(wanted.classes, 3))
    for labels, row in zip(read, probabilities, strict=True):
        fields = [(word.decode() if wanted.binary else word).split(":") for word in labels]
        assert [CLASSES[int(index)] for _, index, _ in fields] == [name for *_, name in fields]
        told = [float(value) for value, *_ in fields]
        np.testing.assert_allclose(told, np.sort(row)[::-1][: len(told)], atol=1e-6)


def asked(**changes: Any) -> dict[str, Any]:
    tensor = {"name": "images", "datatype": "UINT8", "shape": [1, 1, 1, 3], "data": [1, 2, 3], **changes}
    return {"inputs": [tensor]}


REFUSED: list[tuple[Any, int, str]] = [
    ([], 400, "no JSON object"),
    ({}, 400, "inputs"),
    ({"inputs": [{}, {}]}, 400, "inputs"),
    ({**asked(), "id": 7}, 400, "id"),
    ({**asked(), "parameters": []}, 400, "parameters"),
    ({**asked(), "parameters": {"timeout": -1}}, 400, "timeout"),
    ({**asked(), "parameters": {"timeout": "1"}}, 400, "timeout"),
    ({**asked(), "outputs": [{}]}, 400, "output"),
    ({**asked(), "outputs": {"name": "probabilities"}}, 400, "outputs"),
    (
        {**asked(), "outputs": [{"name": "probabilities", "parameters": {"classification": 1.5}}]},
        400,
        "class",
    ),
    (asked(name="image"), 400, "expected 'images'"),
    (asked(datatype="FP32"), 400, "expected UINT8"),
    (asked(shape=[1, 1, 3]), 400, "N x H x W x 3"),
    (asked(shape=[1, 1, 3, 1]), 400, "N x H x W x 3"),
    (asked(shape=[0, 1, 1, 3]), 400, "N x H x W x 3"),
    (asked(shape=[True, 1, 1, 3]), 400, "N x H x W x 3"),
    (asked(shape="1113"), 400, "N x H x W x 3"),
    (asked(shape=[1, 1, 1e9, 3]), 400, "N x H x W x 3"),
    (asked(shape=[65, 1, 1, 3]), 413, "at most 64"),
    (asked(shape=[1, 10**9, 10**9, 3]), 413, "a side"),
    (asked(data=[1, 2]), 400, "as its shape says"),
    (asked(data=[[[[1, 2], [3]]]]), 400, "as its shape says"),
    (asked(data=None), 400, "as its shape says"),
    (asked(data=[1, 2, 256]), 400, "0 to 255"),
    (asked(data=[1, 2, -1]), 400, "0 to 255"),
    (asked(data=[1, 2, 10**30]), 400, "0 to 255"),
    (asked(data=[0.5, 1, 2]), 400, "0 to 255"),
    (asked(data=[True, False, True]), 400, "0 to 255"),
    (asked(data=["1", "2", "3"]), 400, "0 to 255"),
    (asked(parameters={"binary_data_size": 3}), 400, "binary_data_size"),
    (asked(parameters={"shared_memory_region": "r"}), 400, "shared memory"),
]


@pytest.mark.parametrize(("head", "status", "words"), REFUSED, ids=lambda value: str(value)[:60])
def test_what_is_wrong_is_said(head: Any, status: int, words: str) -> None:
    with pytest.raises(Refusal, match=words) as caught:
        parse_request(memoryview(json.dumps(head).encode()), None, Limits())
    assert caught.value.status == status


def test_the_binary_part_must_be_what_the_shape_takes() -> None:
    body, length = written(np.zeros((2, 3, 4, 3), np.uint8), True, None)
    assert length is not None
    for wrong, size in (
        (body[:-1], length),
        (body + b"0", length),
        (body, length - 1),
        (body, len(body) + 1),
    ):
        with pytest.raises(Refusal) as caught:
            parse_request(memoryview(wrong), size, Limits())
        assert caught.value.status == 400
    text = json.dumps(asked()).encode()
    with pytest.raises(Refusal, match="no input claims"):
        parse_request(memoryview(text + b"more"), len(text), Limits())


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 50_000, b"9" * 10_000])
def test_bodies_that_are_no_json_are_refused(text: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        parse_request(memoryview(text), None, Limits())
    assert caught.value.status == 400


def test_much_json_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(Refusal, match="binary data") as caught:
        parse_request(memoryview(b" " * 101), None, Limits(json_bytes=100))
    assert caught.value.status == 413
