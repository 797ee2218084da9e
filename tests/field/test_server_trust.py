"""A server that anybody on the network, and any web page on the desk, may turn to."""

from __future__ import annotations

import http.client
import io
import json
import os
import random
import re
import socket
import struct
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import grpc
import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http as triton
from PIL import Image

from edgefer_runtime.bundle import Bundle
from edgefer_runtime.errors import DataError
from edgefer_runtime.messages.frames import decode_frame
from edgefer_runtime.serving.openapi import PATHS

from ..runtime.serving import conftest as serving
from ..runtime.serving.conftest import CROPS, Server
from ..runtime.serving.test_http import ask, crops

start, tiny, server = serving.start, serving.tiny, serving.server

HEADS = int(os.environ.get("EDGEFER_FUZZ", "1000"))
GROWTH_BYTES = 24 << 20
HALF = {
    "nothing": b"",
    "half a head": b"GET /v2 HTTP/1.1\r\nHost: local",
    "half a body": b"POST /v2/models/face/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90\r\n\r\n{",
    "an answer not taken": b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 8,
}
"""What a client sends, and then nothing."""

CROWD, DESCRIPTORS, WATCHED_S = 260, 200, 5


def address(where: str) -> tuple[str, int]:
    host, _, port = where.rpartition(":")
    return host, int(port)


@contextmanager
def standing(where: str, sent: bytes, count: int = CROWD) -> Iterator[list[socket.socket]]:
    """So many connections that have sent this, and stay."""
    with ExitStack() as open_ones:
        connections = []
        for _ in range(count):
            connection = open_ones.enter_context(socket.socket())
            connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_RCVBUF, 4096
            )  # an answer not taken stays there
            connection.settimeout(60)
            connection.connect(address(where))
            connections.append(connection)
            with suppress(OSError):  # the server made room for another
                connection.sendall(sent)
        yield connections


def until_closed(connection: socket.socket) -> bytes:
    """All that still comes."""
    received = b""
    try:
        while chunk := connection.recv(1 << 16):
            received += chunk
    except ConnectionError:
        pass
    return received


def drip(connection: socket.socket, byte: bytes) -> None:
    """Send a byte now and then, while the connection stands."""
    with suppress(OSError):
        while True:
            time.sleep(0.2)
            connection.sendall(byte)


def watch_health(server: Server, seconds: float) -> list[float]:
    """How long each of the answers took that health gave in that time, each on a connection of its own."""
    took, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        assert ask(server, "GET", "/v2/health/ready")[0] == 200
        took.append(time.monotonic() - began)
        time.sleep(0.05)
    return took


@pytest.mark.slow
@pytest.mark.parametrize("sent", HALF)
def test_half_open_connections_keep_nobody_out(start: Callable[..., Server], tiny: Bundle, sent: str) -> None:
    """Descriptors used up before a word is said (uvicorn #157): with 260 connections under ``ulimit -n 200``,
    health answers within a second, faces are labelled, and the log has fewer than 20 lines more.
    """
    server = start(f"face={tiny.path}", descriptors=DESCRIPTORS)
    lines = server.output.count("\n")
    with standing(server.http, HALF[sent]):
        # Two thousand answers are worked out first where so many were asked for; then all is quiet.
        first, *later = watch_health(server, WATCHED_S)
        assert max(later) < 1 and first < (5 if sent == "an answer not taken" else 1)
        assert triton.InferenceServerClient(server.http).infer("face", [crops()]) is not None
    assert server.output.count("\n") - lines < 20, server.output
    assert server.stop() == 0


@pytest.mark.slow
@pytest.mark.parametrize("sent", [b"", b"PRI * HTTP/2.0\r\n\r\n"])
def test_half_open_connections_of_grpc_keep_nobody_out(
    start: Callable[..., Server], tiny: Bundle, sent: bytes
) -> None:
    """The same at the other door, whose connections use the same descriptors (uvicorn #157)."""
    server = start(f"face={tiny.path}", "--grpc-port", "0", "--timeout", "2", descriptors=DESCRIPTORS)
    lines = server.output.count("\n")
    with standing(server.grpc, sent):
        assert max(watch_health(server, WATCHED_S)) < 1
        with tritonclient.grpc.InferenceServerClient(server.grpc) as client:
            assert client.infer("face", [tritonclient.grpc.InferInput("images", [*CROPS.shape], "UINT8")
                                         .set_data_from_numpy(CROPS)]) is not None  # fmt: skip
    assert server.output.count("\n") - lines < 20, server.output


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", b""),
        (b"\r\n\r\n", b""),
        (b"GET /v2/health/live", b"408"),
        (b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n", b"408"),
        (b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\nGET /v2", b"200"),
        (HALF["half a body"], b"408"),
        (HALF["half a body"].replace(b"/v2/models/face/infer", b"/nowhere"), b"404"),
    ],
)
def test_whoever_says_half_a_thing_is_waited_for_so_long_and_no_longer(
    start: Callable[..., Server], tiny: Bundle, sent: bytes, status: bytes
) -> None:
    """Deadlines for heads and bodies (uvicorn #157), a byte now and then being no excuse."""
    server = start(f"face={tiny.path}", "--timeout", "1")
    began = time.monotonic()
    with socket.create_connection(address(server.http), timeout=60) as connection:
        connection.sendall(sent)
        dripping = threading.Thread(target=drip, args=(connection, b"x" if sent.strip() else b"\r"))
        dripping.start()
        received = until_closed(connection)
    dripping.join()
    assert received.removeprefix(b"HTTP/1.1 ").startswith(status)
    assert 0.9 < time.monotonic() - began < 15


def test_half_a_handshake_is_waited_for_no_longer_than_a_head(
    start: Callable[..., Server], tiny: Bundle, tmp_path: Path
) -> None:
    """Half-open TLS: the descriptor is taken before HTTP begins (uvicorn #157)."""
    import shutil
    import ssl
    import subprocess

    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the certificate, is not installed")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    made = ["-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(certificate)]
    named = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run(["openssl", "req", "-x509", *made, *named], check=True, capture_output=True)
    words = ["--tls-certificate", str(certificate), "--tls-key", str(key), "--max-connections", "20"]
    server = start(f"face={tiny.path}", *words, "--timeout", "1")
    trusting = ssl.create_default_context(cafile=str(certificate))

    def healthy() -> bool:
        connection = http.client.HTTPSConnection(server.http, context=trusting, timeout=60)
        connection.request("GET", "/v2/health/ready")
        return connection.getresponse().status == 200

    with standing(server.http, b"\x16\x03\x01", 30) as connections:
        assert healthy()
        assert [until_closed(each) for each in connections] == [b""] * 30
        assert healthy()


def test_a_call_of_grpc_whose_request_does_not_come_ends(start: Callable[..., Server], tiny: Bundle) -> None:
    """A stream that is opened and left, at the gRPC door: every place for calls could be held so."""
    server = start(f"face={tiny.path}", "--grpc-port", "0", "--timeout", "1", "--queue", "4")
    silent = threading.Event()

    def never() -> Iterator[bytes]:
        silent.wait(60)
        yield from ()

    with grpc.insecure_channel(server.grpc) as channel:
        held = [
            channel.stream_unary("/inference.GRPCInferenceService/ModelInfer").future(never(), timeout=60)
            for _ in range(8)
        ]
        with tritonclient.grpc.InferenceServerClient(server.grpc) as client:
            assert client.is_server_live() and client.is_server_ready()
        codes = Counter(each.exception().code().name for each in held)
        silent.set()
    assert codes.keys() == {"DEADLINE_EXCEEDED", "UNAVAILABLE"}, codes


FOREIGN = [
    ({"Host": "evil.example"}, 421),
    ({"Host": "evil.example:8000"}, 421),
    ({"Host": "localhost.evil.example"}, 421),
    ({"Host": "127.0.0.1.evil.example"}, 421),
    ({"Host": "localhost@evil.example"}, 421),
    ({"Host": "192.0.2.1"}, 421),
    ({"Host": "0.0.0.0"}, 421),
    ({"Host": "2130706433.example"}, 421),
    ({"Host": ""}, 421),
    ({"Origin": "http://evil.example"}, 403),
    ({"Origin": "https://localhost:1"}, 403),
    ({"Origin": "null"}, 403),
    ({"Origin": "http://evil.example", "Content-Type": "application/json"}, 403),
    ({"Host": "evil.example", "Origin": "http://evil.example"}, 421),
    ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
    ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}, 403),
]


def send(
    server: Server, method: str, path: str, headers: dict[str, str], body: bytes = b""
) -> tuple[int, bytes]:
    """As :func:`ask`, with exactly these headers."""
    connection = http.client.HTTPConnection(server.http, timeout=60)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in {"Host": server.http, "Content-Length": str(len(body)), **headers}.items():
        connection.putheader(name, value)
    connection.endheaders(body)
    response = connection.getresponse()
    return response.status, response.read()


@pytest.mark.parametrize(("headers", "status"), FOREIGN)
def test_a_web_page_from_elsewhere_drives_nothing(
    server: Server, headers: dict[str, str], status: int
) -> None:
    """DNS rebinding and cross-site requests to a server on localhost: refused everywhere but at health, whose
    probes name addresses that the server does not know.
    """
    for path, methods in PATHS.items():
        for method in methods:
            real = path.format(name="face", version="7")
            found, content = send(server, method.upper(), real, headers)
            if path.startswith("/v2/health/"):
                assert found == 200, path
            else:
                assert found == status and [*json.loads(content)] == ["error"], (path, found, content)
    assert send(server, "GET", "/", headers)[0] == status


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; a=b"]
)
def test_what_a_form_can_send_changes_nothing(server: Server, kind: str) -> None:
    """Cross-site request forgery without ``Origin``, as older browsers send it."""
    for verb in ("load", "unload"):
        path = f"/v2/repository/models/face/{verb}"
        status, content = send(server, "POST", path, {"Content-Type": kind}, b"{}")
        assert status == 415 and b"application/json" in content
    assert "reloaded" not in server.output


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "application/json"},
        {"Host": "localhost"},
        {"Host": "LOCALHOST:8000"},
        {"Host": "localhost."},
        {"Host": "face.localhost"},
        {"Host": "robot:8000"},
        {"Host": "127.0.0.2:1"},
        {"Host": "[::1]:8000"},
        {"Origin": "http://localhost:8000", "Host": "localhost:8000"},
        {"Origin": "https://localhost", "Host": "localhost", "Content-Type": "application/json"},
        {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"},
        {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"},
    ],
)
def test_programs_and_the_servers_own_page_go_on_as_before(server: Server, headers: dict[str, str]) -> None:
    """The other side of the checks: curl, clients, tunnels and the page itself."""
    assert send(server, "GET", "/v1/models", headers)[0] == 200
    path = "/v2/repository/models/face/unload"
    assert send(server, "POST", path, headers)[0] == 400  # it got as far as being told why not
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert send(server, "GET", "/", link)[0] == 200


def test_names_and_pages_that_the_server_was_told_of(start: Callable[..., Server], tiny: Bundle) -> None:
    """``--allow-host`` and ``--allow-origin``, with what browsers ask first."""
    page = "https://desk.example:8443"
    words = [
        "--allow-host",
        "Robot.Example",
        "--allow-origin",
        page,
        "--allow-origin",
        "http://b.example:80/",
    ]
    server = start(f"face={tiny.path}", *words)
    assert send(server, "GET", "/v2", {"Host": "robot.example:80"})[0] == 200
    assert send(server, "GET", "/v2", {"Host": "robot.example.evil"})[0] == 421
    assert send(server, "GET", "/v2", {"Origin": "http://b.example"})[0] == 200
    assert send(server, "GET", "/v2", {"Origin": "https://b.example"})[0] == 403
    status, _, headers = ask(server, "GET", "/v1/models", Origin=page)
    assert status == 200 and headers["access-control-allow-origin"] == page and "Origin" in headers["vary"]
    asking = {
        "Access_Control_Request_Method": "POST",
        "Access_Control_Request_Headers": "content-type,inference-header-content-length",
    }
    status, _, headers = ask(server, "OPTIONS", "/v1/faces", Origin=page, **asking)
    assert status == 200 and "POST" in headers["access-control-allow-methods"]
    assert ask(server, "OPTIONS", "/v1/faces", Origin="https://evil.example", **asking)[0] == 403


def test_a_server_for_others_knows_addresses_and_its_own_names(
    start: Callable[..., Server], tiny: Bundle
) -> None:
    """Pods, containers and robots: probes and clients name addresses; no web page's name is taken."""
    server = start(f"face={tiny.path}", "--host", "0.0.0.0", "--anonymous")
    for host in ("10.1.2.3:8000", "[fe80::1]:8000", socket.gethostname(), "edgefer:8000", "localhost"):
        assert send(server, "GET", "/v1/models", {"Host": host})[0] == 200, host
    assert send(server, "GET", "/v1/models", {"Host": "evil.example"})[0] == 421
    assert send(server, "GET", "/v2/health/ready", {"Host": "evil.example"})[0] == 200
    token = start(f"face={tiny.path}", EDGEFER_TOKEN="secret")
    shown = {"Host": "robot.lab.example", "Authorization": "Bearer secret"}
    assert send(token, "GET", "/v1/models", shown)[0] == 200
    assert send(token, "GET", "/v1/models", {"Host": "robot.lab.example"})[0] == 401


def test_the_page_is_framed_by_nobody(server: Server) -> None:
    """What a browser is told of the page and of every answer."""
    _, _, headers = ask(server, "GET", "/")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert (headers["x-frame-options"], headers["cross-origin-opener-policy"]) == ("DENY", "same-origin")
    for path in ("/", "/v1/models", "/nowhere"):
        _, _, headers = ask(server, "GET", path)
        assert headers.get_all("x-content-type-options") == ["nosniff"]
        assert headers["cross-origin-resource-policy"] == "same-origin"


def test_a_thin_picture_is_refused_by_its_head(server: Server) -> None:
    """65 KB that unfold into one column of 16,777,216 pixels: few pixels, one side too many."""
    rows = zlib.compress(b"\0\x80" * 16_777_216, 9)
    header = struct.pack(">IIBBBBB", 1, 16_777_216, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    thin = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    before, began = server.rss_bytes(), time.monotonic()
    status, _, _ = ask(server, "POST", "/v1/faces", thin, Content_Type="image/png")
    assert status in (400, 413) and time.monotonic() - began < 1
    assert server.rss_bytes() - before < GROWTH_BYTES


def test_a_thin_frame_is_no_frame() -> None:
    """The same as bare pixels, as they come over zenoh."""
    with pytest.raises(DataError, match="a side"):
        decode_frame(
            struct.pack("<4s4sIIQQ", b"EFF1", b"rgb8", 1 << 20, 1, 0, 0) + bytes(3 << 20),
            frame_id=0,
            captured_ns=0,
        )


def test_a_thin_raw_frame_is_refused_before_it_is_read(server: Server) -> None:
    """The same over HTTP, where the query says the size."""
    kind = "application/octet-stream"
    status, content, _ = ask(
        server, "POST", f"/v1/faces?width={1 << 19}&height=1", bytes(3 << 19), Content_Type=kind
    )
    assert status == 413 and "a side" in content["error"]


@pytest.mark.slow
def test_memory_comes_back(start: Callable[..., Server], tiny: Bundle) -> None:
    """What large pictures took was kept for good, for each thread by itself."""
    server = start(f"face={tiny.path}")
    small, large = (
        _jpeg(np.random.default_rng(0).integers(0, 255, (side, side, 3), dtype=np.uint8))
        for side in (90, 3000)
    )
    assert ask(server, "POST", "/v1/faces", small, Content_Type="image/jpeg")[0] == 200
    before = server.rss_bytes()
    clients = [
        threading.Thread(
            target=ask, args=(server, "POST", "/v1/faces", large), kwargs={"Content_Type": "image/jpeg"}
        )
        for _ in range(6)
    ]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    end = time.monotonic() + 30
    while server.rss_bytes() - before > 100 << 20 and time.monotonic() < end:
        time.sleep(0.2)
    assert server.rss_bytes() - before < 100 << 20


@pytest.mark.slow
@pytest.mark.parametrize("greedy", ["pictures", "crops"])
def test_a_greedy_client_starves_nobody(start: Callable[..., Server], tiny: Bundle, greedy: str) -> None:
    """A hundred connections that always have a large request under way, and one that has small ones: each of
    these is answered, and soon.
    """
    server = start(f"face={tiny.path}", "--engines", "1", "--threads", "1")
    body = _jpeg(np.random.default_rng(0).integers(0, 255, (1200, 1200, 3), dtype=np.uint8))
    path, headers = "/v1/faces", {"Content-Type": "image/jpeg"}
    if greedy == "crops":
        body, length = triton.InferenceServerClient.generate_request_body(
            [crops(np.zeros((64, 112, 112, 3), np.uint8))]
        )
        path, headers = "/v2/models/face/infer", {"Inference-Header-Content-Length": str(length)}
    stopping, statuses, waited = threading.Event(), Counter[int](), list[float]()

    def eat() -> None:
        while not stopping.is_set():
            with suppress(OSError, http.client.HTTPException):
                began = time.monotonic()
                status, _ = send(server, "POST", path, headers, body)
                statuses[status] += 1
                if status == 200:
                    waited.append(time.monotonic() - began)
                time.sleep(0.1 * (status != 200))  # so that the refusals do not take this process' time

    eaters = [threading.Thread(target=eat) for _ in range(100)]
    for eater in eaters:
        eater.start()
    try:
        time.sleep(1)
        with triton.InferenceServerClient(server.http, network_timeout=30) as client:
            took = []
            for _ in range(10):
                began = time.monotonic()
                client.infer("face", [crops()])
                took.append(time.monotonic() - began)
    finally:
        stopping.set()
        for eater in eaters:
            eater.join()
    assert statuses[200] and max(took) < 5, (statuses, took)
    assert np.median(took) < np.median(waited) / 2, (took, waited)


def _jpeg(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=60)
    return file.getvalue()


LINES = (
    b"GET /v2/health/live HTTP/1.1",
    b"GET /v1/models HTTP/1.1",
    b"POST /v2/models/face/infer HTTP/1.1",
    b"POST /v1/faces?width=1&height=1 HTTP/1.1",
    b"POST /v2/repository/index HTTP/1.0",
    b"OPTIONS * HTTP/1.1",
    b"CONNECT localhost:80 HTTP/1.1",
    b"PRI * HTTP/2.0",
    b"GET http://localhost/v2 HTTP/1.1",
    b"GET /%00%ff%zz HTTP/1.1",
    b"G\xc3\x89T / HTTP/1.1",
    b"GET / HTTP/9.9",
    b"GET /",
    b"",
)
FIELDS = (
    b"Host: localhost",
    b"Host: localhost",
    b"Host: evil.example",
    b"Origin: http://evil.example",
    b"Connection: close",
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\nSec-WebSocket-Version: 13",
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk",
    b"Expect: 100-continue",
    b"Content-Length: 3",
    b"Content-Length: -3",
    b"Content-Length: 99999999999999999999999",
    b"Content-Length: 3, 3",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Content-Encoding: gzip",
    b"Content-Type: image/png",
    b"Inference-Header-Content-Length: 2",
    b"Request-Timeout-Ms: 0",
    b"Request-Timeout-Ms: 1",
    b'If-None-Match: "',
    b"X: \xff\x00\x01",
    b": nameless",
    b"no colon",
    b" folded",
    b"A" * 5000 + b": 1",
    b"X: " + b"y" * 70_000,
)
BODIES = (
    b"",
    b"{}\n",
    b"3\r\n{}\n\r\n0\r\n\r\n",
    b"ffffffffffffffffffff\r\n",
    b"zz\r\n",
    b"0\r\nX: 1\r\n\r\n",
    b"-1\r\n",
)


def head(dice: random.Random) -> bytes:
    """A request, or something like it: right parts put together anyhow, then spoiled."""
    fields = [FIELDS[0], *dice.choices(FIELDS, k=dice.randrange(6))]
    dice.shuffle(fields)
    end = dice.choice([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r"])
    data = bytearray(end.join([dice.choice(LINES), *fields, b"", b""]) + dice.choice(BODIES))
    for _ in range(dice.choice([0, 0, 1, 2, 8])):
        where = dice.randrange(len(data))
        kind = dice.randrange(4)
        if kind == 0:
            data[where] = dice.randrange(256)
        elif kind == 1:
            del data[where : where + dice.randint(1, 20)]
        elif kind == 2:
            data[where:where] = dice.choice([b"\0", b"\r\n", b" ", b":", dice.randbytes(4)])
        else:
            data += data[where:]
        data = data or bytearray(b"\r\n")
    return bytes(data[:200_000])


@pytest.mark.slow
def test_no_head_makes_the_server_fail_or_grow(start: Callable[..., Server], tiny: Bundle) -> None:
    """Random heads, ``EDGEFER_FUZZ=10000`` of them: answers and refusals in the protocol's words, or a closed
    connection; never a fault, a log that fills, or memory that stays.
    """
    server, dice, statuses, settled = start(f"face={tiny.path}"), random.Random(16), Counter[bytes](), 0
    lines = server.output.count("\n")
    for number in range(HEADS):
        if number == HEADS // 4:
            settled = server.rss_bytes()
        sent = head(dice)
        with socket.create_connection(address(server.http), timeout=60) as connection:
            try:
                connection.sendall(sent)
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            answer = until_closed(connection)
        found = re.findall(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n", answer) or [b"closed"]
        statuses.update(found)
        assert not [each for each in found if each.startswith(b"5") and each != b"504"], (sent, answer)
        if found[-1] not in (b"closed", b"100", b"200", b"304"):
            assert b'{"error"' in answer, (sent, answer)
    assert statuses[b"200"] and statuses[b"400"] > HEADS / 10 and statuses[b"421"], statuses
    assert server.rss_bytes() - settled < GROWTH_BYTES
    assert "Traceback" not in server.output and "failed" not in server.output
    assert server.output.count("\n") - lines < 20 + HEADS // 100, server.output
    assert triton.InferenceServerClient(server.http).infer("face", [crops()]) is not None


def test_both_command_lines_take_the_same_options() -> None:
    """An option that one of the two lists lacks."""
    import argparse
    import inspect

    from edgefer.cli.serve import serve
    from edgefer_runtime.__main__ import _parser
    from edgefer_runtime.serving.command import run

    told = vars(_parser().parse_args(["serve", "bundle"]))
    ours = {name for name in told if name not in ("command", "debug")}
    assert ours == {*inspect.signature(serve).parameters}
    assert ours - {"json", "threads", "device", "cache", "allow_fallback"} == {
        *inspect.signature(run).parameters
    }
    assert isinstance(_parser(), argparse.ArgumentParser)
