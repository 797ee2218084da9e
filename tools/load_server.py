"""The server under load, beside the bare runtime, in one run:  python tools/load_server.py BUNDLE

Rounds of a few seconds take turns: the classifier called in this process, one call after another, and the
server asked over HTTP by 1, 4, 16 and 64 connections, each sending one crop as a binary tensor and waiting
for its answer before it sends the next. What the server adds to a request is the difference of the medians
at one connection, the middle one of all rounds. ``--overload`` asks at a fixed rate instead, whatever the
answers: so many times what the server can do; latency and the server's memory are told for each tenth of the
time, so that neither can grow unseen. Options that are not this tool's are the server's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from edgefer_runtime.bundle import Bundle
from edgefer_runtime.classifier import Classifier
from edgefer_runtime.environment import usable_cores

BARE = "bare"
CONNECTIONS = (1, 4, 16, 64)
CROPS = 64
CROWD = 256
"""Connections that ``--overload`` has."""
UNSENT, BROKEN = 0, -1
"""In place of a status: all connections were waiting for answers; the server hung up."""
PARTS = 10
"""Of the time of ``--overload``."""
SIDE = 112


@dataclass
class Load:
    """What a round of requests came to: latencies in nanoseconds of those answered 200, all statuses."""

    latency_ns: list[int] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0

    @classmethod
    def joined(cls, loads: list[Load]) -> Load:
        """Rounds of one subject as one."""
        return cls(
            [latency for load in loads for latency in load.latency_ns],
            sum((load.statuses for load in loads), Counter()),
            sum(load.seconds for load in loads),
        )

    def to_json(self) -> dict[str, object]:
        """Rates and percentiles."""
        if not self.latency_ns:
            return {"statuses": dict(self.statuses)}
        p50, p90, p99 = np.percentile(self.latency_ns, (50, 90, 99)) / 1e6
        return {
            "per_second": round(len(self.latency_ns) / self.seconds, 1),
            "p50_ms": round(p50, 3),
            "p90_ms": round(p90, 3),
            "p99_ms": round(p99, 3),
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
        }


def crops(side: int) -> list[np.ndarray]:
    """Different crops, 1 x side x side x 3."""
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (1, side, side, 3), dtype=np.uint8) for _ in range(CROPS)]


def requests(model: str, images: list[np.ndarray], timeout_ms: int | None = None) -> list[bytes]:
    """An ``infer`` request for each crop, as bytes of HTTP."""
    written = []
    for image in images:
        tensor = {
            "name": "images",
            "datatype": "UINT8",
            "shape": image.shape,
            "parameters": {"binary_data_size": image.nbytes},
        }
        head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
        lines = [
            f"POST /v2/models/{model}/infer HTTP/1.1",
            "Host: edgefer",
            f"Content-Length: {len(head) + image.nbytes}",
            f"Inference-Header-Content-Length: {len(head)}",
            *([] if timeout_ms is None else [f"Request-Timeout-Ms: {timeout_ms}"]),
        ]
        written.append("\r\n".join([*lines, "", ""]).encode() + head + image.tobytes())
    return written


class Connection(asyncio.Protocol):
    """One connection of HTTP/1.1 that stays open.

    Nothing of asyncio's streams: what they do here would count as the server's time.
    """

    _transport: asyncio.Transport

    def __init__(self) -> None:
        self._received = b""
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    @classmethod
    async def open(cls, address: str) -> Connection:
        """Connect to ``host:port``."""
        host, port = address.split(":")
        return (await asyncio.get_running_loop().create_connection(cls, host, int(port)))[1]

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the answer.

        Raises:
            ConnectionError: the server hung up.
        """
        if self._transport.is_closing():
            raise ConnectionResetError("the server hung up")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what writes."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Collect an answer until it is whole."""
        self._received += data
        head, _, body = self._received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        if self._answer is not None and length is not None and len(body) == int(length[1]):
            self._received = b""
            self._answer.set_result((int(head[9:12]), body))

    def connection_lost(self, error: Exception | None) -> None:
        """Fail whoever waits."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionResetError("the server hung up"))

    def close(self) -> None:
        """Hang up."""
        self._transport.close()


async def closed_loop(address: str, bodies: list[bytes], connections: int, seconds: float) -> Load:
    """Every connection sends its next request when it has the answer to the last."""
    load, end = Load(), time.perf_counter() + seconds

    async def client(number: int) -> None:
        connection, turn = await Connection.open(address), number
        while time.perf_counter() < end:
            start = time.perf_counter_ns()
            status, _ = await connection.ask(bodies[turn % len(bodies)])
            load.statuses[status] += 1
            if status == 200:
                load.latency_ns.append(time.perf_counter_ns() - start)
            turn += 1
        connection.close()

    began = time.perf_counter()
    await asyncio.gather(*(client(number) for number in range(connections)))
    load.seconds = time.perf_counter() - began
    return load


async def open_loop(address: str, bodies: list[bytes], rate: float, seconds: float) -> Load:
    """Requests start at a fixed rate, each on a connection that is free; without one it is not sent."""
    load, free = Load(), [await Connection.open(address) for _ in range(CROWD)]

    async def ask(connection: Connection, body: bytes) -> None:
        start = time.perf_counter_ns()
        try:
            status, _ = await connection.ask(body)
        except ConnectionError:
            load.statuses[BROKEN] += 1
            return
        free.append(connection)
        load.statuses[status] += 1
        if status == 200:
            load.latency_ns.append(time.perf_counter_ns() - start)

    began, pending = time.perf_counter(), set[asyncio.Task[None]]()
    for number in range(int(rate * seconds)):
        if (wait := began + number / rate - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        if free:
            task = asyncio.create_task(ask(free.pop(), bodies[number % len(bodies)]))
            pending.add(task)
            task.add_done_callback(pending.discard)
        else:
            load.statuses[UNSENT] += 1
            await asyncio.sleep(0)
    await asyncio.gather(*pending)
    load.seconds = time.perf_counter() - began
    for connection in free:
        connection.close()
    return load


def bare(classifiers: list[Classifier], images: list[np.ndarray], seconds: float) -> Load:
    """Calls one after another, of each classifier in a thread of its own."""
    load, end = Load(), time.perf_counter() + seconds

    def call(classifier: Classifier) -> None:
        turn = 0
        while time.perf_counter() < end:
            start = time.perf_counter_ns()
            classifier.predict(images[turn % len(images)])
            load.latency_ns.append(time.perf_counter_ns() - start)
            turn += 1

    began = time.perf_counter()
    callers = [threading.Thread(target=call, args=(classifier,)) for classifier in classifiers]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    load.seconds = time.perf_counter() - began
    load.statuses[200] = len(load.latency_ns)
    return load


@contextmanager
def serving(bundle: str, *words: str) -> Iterator[tuple[str, Callable[[], float]]]:
    """A server of ``bundle`` as the model ``face``: its address, and what it holds in memory, in MB."""
    command = [sys.executable, "-m", "edgefer_runtime", "serve", f"face={bundle}", "--port", "0", *words]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert process.stderr is not None
    line = process.stderr.readline()
    if not (found := re.search(r"http://(\S+)", line)):
        raise SystemExit(line + process.stderr.read())
    threading.Thread(target=process.stderr.read, daemon=True).start()  # so that its log never blocks it

    def megabytes() -> float:
        pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    try:
        yield found[1], megabytes
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def compare(bundle: str, rounds: int, seconds: float, side: int, words: list[str]) -> dict[str, object]:
    """The bare runtime and the server at every number of connections, taking turns."""
    images = crops(side)
    bodies = requests("face", images)
    loads: dict[str, list[Load]] = {}
    with serving(bundle, *words) as (address, _), Bundle.open(bundle) as opened:
        engines = [Classifier.open(opened, threads=1) for _ in range(usable_cores())]
        bare(engines, images, 0.5)
        subjects: dict[str, Callable[[], Load]] = {
            BARE: lambda: bare(engines[:1], images, seconds),
            "bare, an engine a core": lambda: bare(engines, images, seconds),
            **{
                f"{count} connections": partial(_served, address, bodies, count, seconds)
                for count in CONNECTIONS
            },
        }
        for number in range(rounds):
            for name in subjects if number % 2 == 0 else reversed(subjects):
                loads.setdefault(name, []).append(subjects[name]())
    pairs = zip(loads[BARE], loads["1 connections"], strict=True)
    added_ns = [np.median(served.latency_ns) - np.median(alone.latency_ns) for alone, served in pairs]
    return {
        "added_ms": round(float(np.median(added_ns)) / 1e6, 3),
        **{name: Load.joined(loads[name]).to_json() for name in subjects},
    }


def _served(address: str, bodies: list[bytes], connections: int, seconds: float) -> Load:
    return asyncio.run(closed_loop(address, bodies, connections, seconds))


def overload(bundle: str, factor: float, seconds: float, side: int, words: list[str]) -> dict[str, object]:
    """Ask for ``factor`` times what the server managed just before, and watch latency and memory."""
    bodies = requests("face", crops(side))
    with serving(bundle, *words) as (address, megabytes):
        _served(address, bodies, 16, 2)
        capacity = len((able := _served(address, bodies, 16, 3)).latency_ns) / able.seconds
        asyncio.run(open_loop(address, bodies, factor * capacity, min(seconds, 5)))
        memory_mb, loads = [megabytes()], []
        for _ in range(PARTS):
            loads.append(asyncio.run(open_loop(address, bodies, factor * capacity, seconds / PARTS)))
            memory_mb.append(megabytes())
    return {
        "capacity_per_second": round(capacity, 1),
        "asked_per_second": round(factor * capacity, 1),
        **Load.joined(loads).to_json(),
        "p99_ms_of_tenths": [load.to_json().get("p99_ms") for load in loads],
        "memory_before_mb": round(memory_mb[0], 1),
        "memory_after_mb": round(memory_mb[-1], 1),
        "memory_mb_of_tenths": [round(each, 1) for each in memory_mb[1:]],
    }


def main() -> None:
    """Print what was measured, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("bundle", metavar="BUNDLE")
    parser.add_argument("--rounds", type=int, default=5, help="turns of every subject")
    parser.add_argument("--seconds", type=float, default=3.0, help="of one turn; of --overload, altogether")
    parser.add_argument("--side", type=int, default=SIDE, help="of a crop, in pixels")
    parser.add_argument("--overload", type=float, metavar="FACTOR", help="ask for so many times its capacity")
    options, words = parser.parse_known_args()
    if options.overload:
        told = overload(options.bundle, options.overload, options.seconds, options.side, words)
    else:
        told = compare(options.bundle, options.rounds, options.seconds, options.side, words)
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
