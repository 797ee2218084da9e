"""Random, truncated and mutilated requests: an answer in the protocol's words each time, and no growth.

``EDGEFER_FUZZ=10000`` sends as many as that; CI sends fewer.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import zlib
from collections import Counter
from collections.abc import Callable

import grpc
import numpy as np
import tritonclient.http as triton

from edgefer_runtime.bundle import Bundle
from edgefer_runtime.serving.messages import service

from .conftest import CROPS, Server
from .test_http import crops

REQUESTS = int(os.environ.get("EDGEFER_FUZZ", "600"))
GROWTH_BYTES = 24 << 20
VALUES = (
    None,
    True,
    -1,
    0,
    1,
    3,
    2**31,
    2**63,
    1e300,
    "",
    "UINT8",
    "images",
    [],
    [[]],
    {},
    {"a": 1},
    [1, 1, 1, 3],
)


def spoil(dice: random.Random, value: object, depth: int = 0) -> object:
    """``value`` with one thing in it removed, replaced or doubled."""
    if isinstance(value, dict) and value and dice.random() < 0.8:
        key = dice.choice([*value])
        if dice.random() < 0.15:
            return {name: each for name, each in value.items() if name != key}
        return {**value, key: spoil(dice, value[key], depth + 1)}
    if isinstance(value, list) and value and dice.random() < 0.8:
        index = dice.randrange(len(value))
        if dice.random() < 0.15:
            return value + value[index:]
        return [*value[:index], spoil(dice, value[index], depth + 1), *value[index + 1 :]]
    return dice.choice(VALUES)


def requests(dice: random.Random) -> tuple[bytes, dict[str, str]]:
    """A body and headers that may or may not be an ``infer`` request."""
    image = CROPS[: dice.randint(1, 5), : dice.randint(1, 24)]
    binary = dice.random() < 0.7
    body, length = triton.InferenceServerClient.generate_request_body([crops(image, binary)])
    length = len(body) if length is None else length
    headers = {} if length == len(body) else {"Inference-Header-Content-Length": str(length)}
    kind = dice.randrange(6)
    if kind == 0:
        body = dice.randbytes(dice.randint(0, 3000))
    elif kind == 1:
        body = body[: dice.randrange(len(body))]
    elif kind == 2:
        spoiled = bytearray(body)
        for _ in range(dice.randint(1, 8)):
            spoiled[dice.randrange(min(len(spoiled), length + 8))] = dice.randrange(256)
        body = bytes(spoiled)
    elif kind == 3:
        head = json.dumps(spoil(dice, json.loads(body[:length]))).encode()
        body = head + body[length:]
        headers = {"Inference-Header-Content-Length": str(len(head))} if headers else {}
    elif kind == 4:
        headers["Inference-Header-Content-Length"] = dice.choice(
            ["0", "-1", "1e3", "", "99999999", str(length + 1)]
        )
    elif kind == 5:
        packed = zlib.compress(body)
        body = packed[: dice.randint(0, len(packed))]
        headers["Content-Encoding"] = dice.choice(["deflate", "gzip", "br", "identity"])
    return body, headers


def test_no_request_makes_the_server_fail_or_grow(start: Callable[..., Server], tiny: Bundle) -> None:
    server, dice = start(f"face={tiny.path}"), random.Random(0)
    connection = http.client.HTTPConnection(server.http, timeout=60)
    statuses: Counter[int] = Counter()
    settled = 0
    for number in range(REQUESTS):
        if number == REQUESTS // 4:
            settled = server.rss_bytes()
        body, headers = requests(dice)
        connection.request("POST", "/v2/models/face/infer", body, headers)
        response = connection.getresponse()
        content = response.read()
        statuses[response.status] += 1
        if response.status != 200:
            assert [*json.loads(content)] == ["error"]
    assert statuses.keys() <= {200, 400, 413, 415} and statuses[200] and statuses[400] > REQUESTS / 3, (
        statuses
    )
    assert server.rss_bytes() - settled < GROWTH_BYTES
    assert "failed" not in server.output
    answer = triton.InferenceServerClient(server.http).infer("face", [crops()]).as_numpy("probabilities")
    np.testing.assert_allclose(answer.sum(axis=1), 1, atol=1e-5)


def test_no_message_makes_the_server_fail(server: Server) -> None:
    dice, codes = random.Random(1), Counter[grpc.StatusCode]()
    asked = service()[1]["ModelInfer"].request(model_name="face", raw_input_contents=[CROPS.tobytes()])
    asked.inputs.add(name="images", datatype="UINT8", shape=CROPS.shape)
    whole = asked.SerializeToString()
    with grpc.insecure_channel(server.grpc) as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        for _ in range(REQUESTS // 4):
            body = bytearray(whole)
            for _ in range(dice.randint(0, 6)):
                body[dice.randrange(60)] = dice.randrange(256)
            try:
                call(bytes(body[: dice.choice([len(body), len(body), dice.randrange(len(body))])]))
                codes[grpc.StatusCode.OK] += 1
            except grpc.RpcError as error:
                codes[error.code()] += 1
    allowed = {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "RESOURCE_EXHAUSTED"}
    assert {code.name for code in codes} <= allowed and len(codes) > 1, codes
    assert "failed" not in server.output
