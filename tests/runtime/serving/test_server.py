"""A server's life: what it starts with, bundles that change under it, and how it ends."""

from __future__ import annotations

import http.client
import json
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http as triton

from edgefer_runtime.__main__ import main
from edgefer_runtime.bundle import Bundle, pack_zip

from .conftest import CROPS, Server, write_tiny
from .test_http import ask, crops


class Callers:
    """Threads that ask without a pause, and try again when nobody listens, until they are stopped."""

    def __init__(self, address: Callable[[], str], count: int = 4) -> None:
        self._address, self._stopping = address, threading.Event()
        self.answers: list[bytes] = []
        self.statuses: set[int] = set()
        self.retries = 0
        self._threads = [threading.Thread(target=self._ask) for _ in range(count)]

    @contextmanager
    def asking(self) -> Iterator[Callers]:
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._stopping.set()
            for thread in self._threads:
                thread.join()

    def wait_for_more(self, count: int = 40) -> None:
        """Wait until so many more answers came."""
        goal, end = len(self.answers) + count, time.monotonic() + 60
        while len(self.answers) < goal:
            assert time.monotonic() < end
            time.sleep(0.01)

    def _ask(self) -> None:
        body, length = triton.InferenceServerClient.generate_request_body([crops()])
        headers = {"Inference-Header-Content-Length": str(length)}
        connection: http.client.HTTPConnection | None = None
        while not self._stopping.is_set():
            try:
                connection = connection or http.client.HTTPConnection(self._address(), timeout=60)
                connection.request("POST", "/v2/models/face/infer", body, headers)
                response = connection.getresponse()
                content, size = response.read(), response.headers["Inference-Header-Content-Length"]
            except (OSError, http.client.HTTPException):
                connection, self.retries = None, self.retries + 1
                time.sleep(0.01)
                continue
            self.statuses.add(response.status)
            self.answers.append(content[int(size or 0) :])


def test_a_bundle_that_changes_takes_over_without_a_lost_request(
    start: Callable[..., Server], tmp_path: Path
) -> None:
    path = write_tiny(tmp_path / "face").path
    server = start(f"face={path}")
    with Callers(lambda: server.http).asking() as callers:
        callers.wait_for_more()
        for number, licence in enumerate(("MIT", "BSD"), start=1):
            write_tiny(path, licence=licence)
            server.process.send_signal(signal.SIGHUP)
            server.wait_for(rf"(reloaded from(.|\n)*){{{number}}}")
            callers.wait_for_more()
        assert ask(server, "GET", "/v1/models")[1]["models"][0]["licence"] == "BSD"
    assert callers.statuses == {200} and callers.retries == 0
    assert len({*callers.answers}) == 1


def test_a_bundle_that_is_broken_or_another_is_refused_and_the_old_one_goes_on(
    start: Callable[..., Server], tmp_path: Path, expected: Callable[[np.ndarray], np.ndarray]
) -> None:
    path = write_tiny(tmp_path / "face").path
    server = start(f"face={path}")
    client = triton.InferenceServerClient(server.http)
    before = client.infer("face", [crops()]).as_numpy("probabilities")
    (path / "model.onnx").write_bytes(b"altered")
    with pytest.raises(triton.InferenceServerException, match=r"model\.onnx has 7 bytes"):
        client.load_model("face")
    write_tiny(path, classes=("surprise", "sadness", "happiness"))
    with pytest.raises(triton.InferenceServerException, match="classes surprise, sadness, happiness"):
        client.load_model("face")
    shutil.rmtree(path)
    server.process.send_signal(signal.SIGHUP)
    server.wait_for("no such bundle")
    np.testing.assert_array_equal(client.infer("face", [crops()]).as_numpy("probabilities"), before)
    assert b'outcome="refused"} 3' in ask(server, "GET", "/metrics")[1]
    write_tiny(path)
    client.load_model("face")
    np.testing.assert_allclose(before, expected(CROPS), atol=1e-4)


def test_what_was_accepted_is_finished_before_the_server_ends(
    start: Callable[..., Server], tiny: Bundle
) -> None:
    server = start(f"face={tiny.path}", "--grpc-port", "0")
    body, length = triton.InferenceServerClient.generate_request_body([crops()])
    host, port = server.http.split(":")
    with socket.create_connection((host, int(port))) as slow:
        head = f"POST /v2/models/face/infer HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        slow.sendall(f"{head}Inference-Header-Content-Length: {length}\r\n\r\n".encode() + body[:100])
        time.sleep(0.2)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((host, int(port)))
        slow.sendall(body[100:])
        slow.settimeout(60)
        answer = b""
        while chunk := slow.recv(65536):
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 200") and b'"model_name":"face"' in answer
    assert server.process.wait(60) == 0
    assert "1 requests served" in server.output


def test_the_toolchains_command_serves_too(start: Callable[..., Server], tiny: Bundle) -> None:
    server = start(f"face={tiny.path}", "--json", module="edgefer.cli.main")
    assert triton.InferenceServerClient(server.http).infer("face", [crops()]) is not None
    assert server.stop(signal.SIGINT) == 0
    statistics = json.loads(server.output[server.output.index("{") :])
    assert statistics["model_stats"][0]["inference_stats"]["success"]["count"] == 1


def test_killed_and_started_again_under_load_nothing_is_wrong_or_lost(
    start: Callable[..., Server], tiny: Bundle
) -> None:
    servers = [start(f"face={tiny.path}")]
    with Callers(lambda: servers[-1].http).asking() as callers:
        for _ in range(2):
            callers.wait_for_more()
            assert servers[-1].stop(signal.SIGKILL) == -signal.SIGKILL
            servers.append(start(f"face={tiny.path}"))
        callers.wait_for_more()
    assert callers.statuses == {200} and callers.retries > 0
    assert len({*callers.answers}) == 1


def test_a_zip_and_an_ipv6_address_are_served(
    start: Callable[..., Server], tiny: Bundle, tmp_path: Path
) -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    packed = pack_zip(tiny, tmp_path / "tiny.edgefer")
    try:
        server = start(f"face={packed}", "--host", "::1")
    except AssertionError as error:
        assert "cannot be listened on" in str(error)
        pytest.skip("no IPv6 here")
    assert server.url.startswith("http://[::1]:")
    assert ask(server, "GET", "/v2/models/face/ready")[0] == 200


def test_tls_on_both_doors(start: Callable[..., Server], tiny: Bundle, tmp_path: Path) -> None:
    import grpc
    import tritonclient.grpc

    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the certificate, is not installed")
    made = ["-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", str(key), "-out", str(certificate)]
    named = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run(["openssl", "req", "-x509", *made, *named], check=True, capture_output=True)
    words = ["--tls-certificate", str(certificate), "--tls-key", str(key), "--grpc-port", "0"]
    server = start(f"face={tiny.path}", *words)
    assert server.url.startswith("https://")
    trusting = ssl.create_default_context(cafile=str(certificate))
    connection = http.client.HTTPSConnection(server.http, context=trusting, timeout=60)
    connection.request("GET", "/v2/health/ready")
    assert json.loads(connection.getresponse().read()) == {"ready": True}
    channel = grpc.ssl_channel_credentials(certificate.read_bytes())
    client = tritonclient.grpc.InferenceServerClient(server.grpc, ssl=True, creds=channel)
    assert client.is_server_ready()


def test_an_answer_on_a_kept_connection_waits_for_no_acknowledgement(
    start: Callable[..., Server], tiny: Bundle
) -> None:
    """With Nagle's algorithm on, each would come some 40 ms late; on a fresh connection none does."""
    server = start(f"face={tiny.path}")

    def seconds(connections: Iterator[http.client.HTTPConnection]) -> float:
        took = []
        for connection in connections:
            began = time.perf_counter()
            connection.request("GET", "/v2")
            connection.getresponse().read()
            took.append(time.perf_counter() - began)
        return float(np.median(took))

    kept = http.client.HTTPConnection(server.http, timeout=60)
    fresh = (http.client.HTTPConnection(server.http, timeout=60) for _ in range(25))
    assert seconds(kept for _ in range(25)) < 3 * seconds(fresh)


def test_mistakes_end_in_words_before_anything_is_served(
    tiny: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EDGEFER_TOKEN", raising=False)
    (tmp_path / "token").write_text("two words")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for words, code, message in (
            (["nowhere"], 3, "nowhere: no such bundle"),
            ([str(tiny.path), "--port", port], 7, "cannot be listened on"),
            ([str(tiny.path), "--port", "0", "--grpc-port", port], 7, "cannot be listened on"),
            ([str(tiny.path), "--host", "0.0.0.0"], 2, "no token is asked for"),
            ([str(tiny.path), "--host", "192.0.2.1", "--anonymous"], 7, "cannot be listened on"),
            ([str(tiny.path), "--token-file", str(tmp_path / "none")], 3, "cannot be read"),
            ([str(tiny.path), "--token-file", str(tmp_path / "token")], 3, "one word"),
            ([str(tiny.path), "--tls-key", "key.pem"], 2, "half of what TLS needs"),
            ([str(tiny.path), "--tls-key", "k", "--tls-certificate", "c"], 3, "no certificate and key"),
            ([str(tiny.path), "--engines", "0"], 2, "0 engines"),
            ([str(tiny.path), "--queue", "0"], 2, "a queue of 0"),
            ([str(tiny.path), "--port", "70000"], 2, "70000"),
            ([f"a:2={tiny.path}", f"a:2={tiny.path}", "--port", "0"], 2, "as a, version 2"),
        ):
            assert main(["serve", *words]) == code, words
            assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("module", "words", "command"),
    [
        ("uvicorn", [], "edgefer-runtime[serve]"),
        ("starlette.routing", [], "edgefer-runtime[serve]"),
        ("grpc", ["--grpc-port", "0"], "edgefer-runtime[grpc]"),
    ],
)
def test_what_is_not_installed_is_named(
    tiny: Bundle,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    words: list[str],
    command: str,
) -> None:
    for name in [
        name for name in sys.modules if name.startswith("edgefer_runtime.serving.") and "door" in name
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    assert main(["serve", str(tiny.path), "--port", "0", *words]) == 6
    assert command in capsys.readouterr().err


@pytest.mark.slow
def test_more_than_it_can_do_is_refused_cleanly_and_the_rest_is_in_time(tiny: Bundle) -> None:
    """The short form of ``tools/load_server.py BUNDLE --overload 2 --seconds 600``."""
    words = ["--overload", "2", "--seconds", "4", "--engines", "1", "--queue", "2"]
    done = subprocess.run(
        [sys.executable, "tools/load_server.py", str(tiny.path), *words],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    told = json.loads(done.stdout)
    statuses = told["statuses"]
    assert {"200", "503"} <= statuses.keys() <= {"0", "200", "503"}, told
    # Everything that can be on its way at once, answered at the rate of this run.
    answers_per_second = told["per_second"] * (statuses["200"] + statuses["503"]) / statuses["200"]
    assert told["p99_ms"] < 3e3 * 256 / answers_per_second, told
    assert told["memory_after_mb"] - told["memory_before_mb"] < 24, told
