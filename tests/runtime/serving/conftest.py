"""Servers as they are started on a robot, in a process of their own, on ports of their own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgefer_runtime.bundle import Bundle, write_bundle

from ..conftest import tiny_manifest, tiny_onnx

START_S = 60
INVARIANT = {"checks": [{"name": "batch-invariance/onnxruntime", "passed": True}]}
CROPS = np.random.default_rng(0).integers(0, 256, (5, 24, 20, 3), dtype=np.uint8)


class Server:
    """``python -m edgefer_runtime serve``, or another module's ``serve``, on free ports.

    ``descriptors`` is what ``ulimit -n`` allows it.

    Attributes:
        url, http: of HTTP, ``http://127.0.0.1:PORT`` and ``127.0.0.1:PORT``.
        grpc: ``127.0.0.1:PORT``, where it was asked for.
    """

    def __init__(
        self,
        log: Path,
        *words: str,
        module: str = "edgefer_runtime",
        descriptors: int | None = None,
        **environment: str,
    ) -> None:
        self._log = log
        limited = [] if descriptors is None else ["sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh"]
        with log.open("w") as sink:
            self.process = subprocess.Popen(
                [*limited, sys.executable, "-m", module, "serve", "--port", "0", *words],
                stdout=sink,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
            )
        self.url = self._told(r"serving on (\S+)")
        self.http = self.url.partition("://")[2]
        self.grpc = self._told(r"gRPC on (\S+)") if "--grpc-port" in words else ""

    @property
    def output(self) -> str:
        """All it has said so far."""
        return self._log.read_text()

    def _told(self, pattern: str) -> str:
        return self.wait_for(pattern)[1]

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until it says something that ``pattern`` finds."""
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            if found := re.search(pattern, self.output):
                return found
            assert self.process.poll() is None, self.output
            time.sleep(0.01)
        raise AssertionError(f"{pattern} was not said: {self.output}")

    def rss_bytes(self) -> int:
        """What it holds in memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait; returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(START_S)


def write_tiny(folder: Path, batch: int | None = None, **changes: object) -> Bundle:
    """A bundle of the tiny engine; with ``batch`` None its certificate lets faces share a call."""
    source = folder.with_name(f"{folder.name}-source")
    source.mkdir(exist_ok=True)
    tiny_onnx(source / "model.onnx", batch, "probabilities")
    manifest = tiny_manifest("onnxruntime", "model.onnx", batch, **changes)
    return write_bundle(folder, manifest, {"model.onnx": source / "model.onnx"}, INVARIANT)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The tiny engine, which takes any number of faces."""
    return write_tiny(tmp_path_factory.mktemp("serving") / "tiny")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start a server as :class:`Server` does; it is killed in the end."""
    servers: list[Server] = []

    def begin(*words: str, **environment: Any) -> Server:
        servers.append(Server(tmp_path / f"server-{len(servers)}.log", *words, **environment))
        return servers[-1]

    yield begin
    for server in servers:
        server.process.kill()
        server.process.wait()


@pytest.fixture(scope="session")
def server(tiny: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all tests that leave it as it is: a model in two versions, over HTTP and gRPC."""
    one = write_tiny(tmp_path_factory.mktemp("one") / "one", 1)
    words = [f"face={one.path}", f"face:7={tiny.path}", str(tiny.path), "--grpc-port", "0"]
    log = tmp_path_factory.mktemp("log") / "server.log"
    running = Server(log, *words, "--max-body", "2")
    yield running
    running.process.kill()
    running.process.wait()
