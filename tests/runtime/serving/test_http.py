"""The HTTP door, asked by Triton's client as it is, and by hand for what that would not send."""

from __future__ import annotations

import gzip
import http.client
import io
import json
import socket
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from PIL import Image

from edgefer_runtime.analyzer import FaceAnalyzer
from edgefer_runtime.bundle import Bundle
from edgefer_runtime.images import load_image
from edgefer_runtime.messages.schema import decode_faces
from edgefer_runtime.serving.openapi import PATHS

from .conftest import CROPS, Server

NAMES = [b"happiness", b"sadness", b"surprise"]
MODEL = "tiny-onnxruntime-fp32"


def ask(server: Server, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, Any]:
    """Status, parsed body and headers of a request; ``_`` in a header's name stands for ``-``."""
    connection = http.client.HTTPConnection(server.http, timeout=60)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, named)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    parsed = json.loads(content) if response.headers.get_content_type() == "application/json" else content
    return response.status, parsed, response.headers


def crops(images: np.ndarray = CROPS, binary: bool = True) -> triton.InferInput:
    tensor = triton.InferInput("images", list(images.shape), "UINT8")
    tensor.set_data_from_numpy(images, binary_data=binary)
    return tensor


@pytest.fixture(scope="module")
def client(server: Server) -> triton.InferenceServerClient:
    return triton.InferenceServerClient(server.http)


def test_tritons_client_learns_what_is_served(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("face") and client.is_model_ready("face", "1")
    assert not client.is_model_ready("face", "2") and not client.is_model_ready("nobody")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    metadata = client.get_model_metadata("face")
    assert metadata["versions"] == ["1", "7"]
    assert metadata["inputs"] == [{"name": "images", "datatype": "UINT8", "shape": [-1, -1, -1, 3]}]
    assert metadata["outputs"] == [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]}]
    assert "dynamic_batching" in client.get_model_config("face")
    assert "dynamic_batching" not in client.get_model_config("face", "1")
    index = {(each["name"], each["version"]): each["state"] for each in client.get_model_repository_index()}
    assert index == {("face", "1"): "READY", ("face", "7"): "READY", (MODEL, "1"): "READY"}


@pytest.mark.parametrize("coding", [None, "gzip", "deflate"])
@pytest.mark.parametrize("binary", [True, False])
def test_tritons_client_gets_the_probabilities(
    client: triton.InferenceServerClient,
    expected: Callable[[np.ndarray], np.ndarray],
    binary: bool,
    coding: str | None,
) -> None:
    output = triton.InferRequestedOutput("probabilities", binary_data=binary)
    result = client.infer(
        "face", [crops(binary=binary)], outputs=[output], request_id="7", request_compression_algorithm=coding
    )
    np.testing.assert_allclose(result.as_numpy("probabilities"), expected(CROPS), atol=1e-4)
    head = result.get_response()
    assert (head["id"], head["model_name"], head["model_version"]) == ("7", "face", "7")
    one = client.infer("face", [crops(binary=binary)], model_version="1")
    np.testing.assert_allclose(one.as_numpy("probabilities"), expected(CROPS), atol=1e-4)


def test_tritons_client_gets_labels(
    client: triton.InferenceServerClient, expected: Callable[[np.ndarray], np.ndarray]
) -> None:
    output = triton.InferRequestedOutput("probabilities", class_count=1)
    labels = client.infer("face", [crops()], outputs=[output]).as_numpy("probabilities")
    assert [row[0].split(b":")[2] for row in labels] == [
        NAMES[best] for best in expected(CROPS).argmax(axis=1)
    ]


def test_tritons_client_counts_with_the_server(start: Callable[..., Server], tiny: Bundle) -> None:
    client = triton.InferenceServerClient(start(f"a={tiny.path}", f"b={tiny.path}").http)
    for _ in range(3):
        client.infer("a", [crops()])
    with pytest.raises(triton.InferenceServerException):
        client.infer("a", [crops()], outputs=[triton.InferRequestedOutput("logits")])
    counted, other = client.get_inference_statistics()["model_stats"]
    assert (counted["name"], counted["inference_count"], counted["execution_count"]) == ("a", 15, 3)
    assert counted["inference_stats"]["success"]["count"] == 3
    assert counted["inference_stats"]["fail"]["count"] == 1
    assert [(each["batch_size"], each["compute_infer"]["count"]) for each in counted["batch_stats"]] == [
        (5, 3)
    ]
    assert other["execution_count"] == 0
    assert client.get_inference_statistics("b")["model_stats"] == [other]


def test_tritons_client_is_told_what_is_wrong(client: triton.InferenceServerClient) -> None:
    floats = triton.InferInput("images", [1, 4, 4, 3], "FP32")
    floats.set_data_from_numpy(np.zeros((1, 4, 4, 3), np.float32))
    for status, words, call in (
        ("404", "no model 'nobody'; this server has face", lambda: client.infer("nobody", [crops()])),
        ("404", "no version '9' of face", lambda: client.infer("face", [crops()], model_version="9")),
        ("404", "no model", lambda: client.get_model_metadata("nobody")),
        ("400", "expected UINT8", lambda: client.infer("face", [floats])),
        ("400", "cannot be unloaded", lambda: client.unload_model("face")),
        ("413", "at most 64", lambda: client.infer("face", [crops(np.zeros((65, 1, 1, 3), np.uint8))])),
    ):
        with pytest.raises(triton.InferenceServerException, match=words) as caught:
            call()
        assert caught.value.status() == status


def test_every_refusal_is_the_protocols_json(server: Server) -> None:
    infer, kind = "/v2/models/face/infer", "application/octet-stream"
    bomb = gzip.compress(bytes(64 << 20))
    for status, method, path, body, headers in (
        (404, "GET", "/v3", None, {}),
        (404, "GET", "/v2/models", None, {}),
        (405, "GET", infer, None, {}),
        (405, "DELETE", "/v2", None, {}),
        (400, "POST", infer, b"", {}),
        (400, "POST", infer, b"{", {}),
        (400, "POST", infer, b"{}", {"Inference_Header_Content_Length": "many"}),
        (400, "POST", infer, b"{}", {"Inference_Header_Content_Length": "9" * 99}),
        (400, "POST", infer, b"{}", {"Content_Encoding": "gzip"}),
        (400, "POST", infer, gzip.compress(b"{}")[:-1], {"Content_Encoding": "gzip"}),
        (413, "POST", infer, bomb, {"Content_Encoding": "gzip"}),
        (413, "POST", infer, zlib.compress(bytes(64 << 20)), {"Content_Encoding": "deflate"}),
        (413, "POST", infer, bytes(3 << 20), {}),
        (413, "POST", infer, iter([bytes(1 << 20)] * 3), {}),
        (415, "POST", infer, b"{}", {"Content_Encoding": "br"}),
        (400, "POST", "/v2/repository/index", b"[]", {}),
        (404, "POST", "/v2/repository/models/nobody/load", b"", {}),
        (415, "POST", "/v1/faces", b"GIF89a", {"Content_Type": "image/gif"}),
        (400, "POST", "/v1/faces", b"GIF89a", {"Content_Type": "image/png"}),
        (400, "POST", "/v1/faces", b"123", {"Content_Type": kind}),
        (400, "POST", "/v1/faces?width=1&height=2", b"123", {"Content_Type": kind}),
        (413, "POST", "/v1/faces?width=99999&height=1", b"123", {"Content_Type": kind}),
        (404, "POST", "/v1/faces?model=nobody", b"123", {"Content_Type": kind}),
    ):
        answered, content, _ = ask(server, method, path, body, **headers)
        assert (answered, [*content]) == (status, ["error"]), (path, content)
    assert "failed" not in server.output


def test_nothing_of_a_request_is_in_the_log(server: Server) -> None:
    before, marker = server.output, "anna-smiles"
    for path, body, headers in (
        (f"/v2/models/{marker}/infer", b"{}", {}),
        ("/v2/models/face/infer", json.dumps({"id": marker, "inputs": [marker]}), {}),
        (f"/v1/faces?model={marker}", b"", {"Content_Type": marker}),
        ("/v1/faces", marker.encode(), {"Content_Type": "image/png", "Authorization": marker}),
    ):
        assert 400 <= ask(server, "POST", path, body, **headers)[0] < 500
    host, port = server.http.split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(f"{marker}\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 400")
    assert marker not in server.output.removeprefix(before)


def test_a_body_that_does_not_come_is_408(start: Callable[..., Server], tiny: Bundle) -> None:
    server = start(f"face={tiny.path}", "--timeout", "0.3")
    host, port = server.http.split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(b"POST /v2/models/face/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
        answer = connection.recv(1000)
    assert answer.startswith(b"HTTP/1.1 408")


@pytest.mark.slow
def test_a_group_of_people_is_told_as_the_analyzer_tells_it(server: Server, tiny: Bundle) -> None:
    golden = Path(__file__).parents[1] / "golden" / "faces.webp"
    frame = load_image(golden)
    jpeg = io.BytesIO()
    Image.fromarray(frame).save(jpeg, "JPEG", quality=95)
    shape = {"width": frame.shape[1], "height": frame.shape[0]}
    query = "?" + "&".join(f"{name}={size}" for name, size in shape.items())
    told = []
    for body, kind, words in (
        (jpeg.getvalue(), "image/jpeg", ""),
        (frame.tobytes(), "application/octet-stream", query),
    ):
        status, content, _ = ask(server, "POST", f"/v1/faces{words}", body, Content_Type=kind)
        assert status == 200
        told.append(decode_faces(json.dumps(content))["faces"])
    found = FaceAnalyzer.open(tiny.path, threads=1).analyze(frame)
    assert len(told[0]) == len(told[1]) == len(found) > 5
    for face, message in zip(found, told[1], strict=True):
        np.testing.assert_allclose([*message["box"].values()], face.box, atol=0.01)
        assert message["label"] == face.label and message["track"] is None


@pytest.mark.parametrize("place", ["a header", "a trailer", "between chunks"])
def test_a_request_that_does_not_end_is_given_up(server: Server, place: str) -> None:
    head = b"POST /v2/models/face/infer HTTP/1.1\r\nHost: x\r\n"
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
    start = {"a header": head + b"X: ", "a trailer": chunked + b"0\r\nX: ", "between chunks": chunked + b"1;"}
    host, port = server.http.split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(start[place])
        with pytest.raises(OSError, match=r"reset|Broken pipe"):
            for _ in range(512):
                connection.sendall(b"x" * 65536)
    assert ask(server, "GET", "/v2/health/live")[0] == 200


def test_a_picture_that_unfolds_is_refused_by_its_head(server: Server) -> None:
    huge = io.BytesIO()
    Image.new("1", (12_000, 12_000)).save(huge, "PNG")
    before = server.rss_bytes()
    status, content, _ = ask(server, "POST", "/v1/faces", huge.getvalue(), Content_Type="image/png")
    assert status == 413 and "12,000 x 12,000" in content["error"]
    assert server.rss_bytes() - before < 64 << 20


def test_a_request_that_comes_too_late_is_504(server: Server) -> None:
    body, length = triton.InferenceServerClient.generate_request_body([crops()], timeout=1)
    headers = {"Inference_Header_Content_Length": str(length)}
    status, content, _ = ask(server, "POST", "/v2/models/face/infer", body, **headers)
    assert (status, content) == (504, {"error": "no answer within 1e-06 s"})


def test_faces_in_a_picture(server: Server) -> None:
    grey = np.full((90, 120, 3), 128, np.uint8)
    png = io.BytesIO()
    Image.fromarray(grey).save(png, "PNG")
    for body, kind, query in (
        (png.getvalue(), "image/png", ""),
        (grey.tobytes(), "application/octet-stream", "?width=120&height=90&model=face&version=1"),
    ):
        status, content, _ = ask(server, "POST", f"/v1/faces{query}", body, Content_Type=kind)
        assert status == 200
        message = decode_faces(json.dumps(content))
        assert (message["frame"]["width"], message["frame"]["height"]) == (120, 90)
        assert message["model"] == MODEL and message["faces"] == []


def test_the_description_is_true(server: Server) -> None:
    """Every path it names is served, by the methods it names and no others."""
    status, document, _ = ask(server, "GET", "/openapi.json")
    assert status == 200 and document["paths"].keys() == PATHS.keys()
    for path, methods in document["paths"].items():
        real = path.format(name="face", version="7")
        for method in ("get", "post", "put", "delete", "patch"):
            body = b"{}" if method == "post" else None
            answered, content, _ = ask(server, method.upper(), real, body)
            if method not in methods:
                assert answered == 405
                continue
            assert str(answered) in methods[method]["responses"], (path, answered, content)
    listed = ask(server, "GET", "/v1/models")[1]["models"]
    assert [(each["name"], each["version"], each["target"]) for each in listed] == [
        ("face", "1", "onnxruntime"),
        ("face", "7", "onnxruntime"),
        (MODEL, "1", "onnxruntime"),
    ]


def test_prometheus_gets_what_was_counted(start: Callable[..., Server], tiny: Bundle) -> None:
    server = start(f"a={tiny.path}")
    triton.InferenceServerClient(server.http).infer("a", [crops()])
    ask(server, "POST", "/v2/models/a/infer", b"{")
    _, content, headers = ask(server, "GET", "/metrics")
    assert headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = content.decode().splitlines()
    for line in (
        'edgefer_requests_total{model="a",version="1",status="200"} 1',
        'edgefer_requests_total{model="a",version="1",status="400"} 1',
        'edgefer_request_seconds_bucket{model="a",version="1",le="+Inf"} 2',
        'edgefer_request_seconds_count{model="a",version="1"} 2',
        'edgefer_faces_total{model="a",version="1"} 5',
        'edgefer_engine_calls_total{model="a",version="1"} 1',
        'edgefer_waiting{model="a",version="1"} 0',
    ):
        assert line in lines
    named = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(named) == len({*named})


def test_only_who_has_the_token_is_let_in(start: Callable[..., Server], tiny: Bundle, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    server = start(f"a={tiny.path}", "--token-file", str(tmp_path / "token"))
    for path, methods in PATHS.items():
        for method, operation in methods.items():
            status, content, headers = ask(server, method.upper(), path.format(name="a", version="1"))
            if operation["operationId"] in ("live", "ready", "openapi"):
                assert status == 200
            else:
                assert (
                    status == 401 and headers["www-authenticate"] == "Bearer" and "secret" not in str(content)
                )
    client = triton.InferenceServerClient(server.http)
    assert (
        client.infer("a", [crops()], headers={"Authorization": "Bearer secret"})
        .as_numpy("probabilities")
        .any()
    )
    for wrong in ("Bearer secre", "Bearer secret2", "secret", "Basic secret", "Bearer sécret"):
        assert ask(server, "GET", "/v2", Authorization=wrong)[0] == 401
    assert "secret" not in server.output
