"""The server under load, beside the bare runtime, in one run:  python tools/load_server.py BUNDLE

Rounds of a few seconds take turns: the classifier called in this process, one call after another, and the
server asked over HTTP by 1, 4, 16 and 64 connections, each sending one crop as a binary tensor and waiting
for its answer before it sends the next. What the server adds to a request is the difference of the medians
at one connection. ``--overload`` asks at a fixed rate instead, whatever the answers: so many times what the
server can do. Options that are not this tool's are the server's.
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
from pathlib import Path

import numpy as np

from edgefer_runtime.classifier import Classifier

CONNECTIONS = (1, 4, 16, 64)
CROPS = 64
CROWD = 256
"""Connections that ``--overload`` has."""
UNSENT = 0
"""In place of a status: all connections were waiting for answers."""
SIDE = 112


@dataclass
class Load:
    """What a round of requests came to: latencies in nanoseconds of those answered 200, all statuses."""

    latency_ns: list[int] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0

    def add(self, other: Load) -> None:
        """Join another round of the same subject."""
        self.latency_ns += other.latency_ns
        self.statuses += other.statuses
        self.seconds += other.seconds

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


class Connection:
    """One connection of HTTP/1.1 that stays open."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, address: str) -> Connection:
        """Connect to ``host:port``."""
        host, port = address.split(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the answer."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(re.search(rb"(?i)\r\ncontent-length: (\d+)", head)[1])  # type: ignore[index]
        return int(head[9:12]), await self._reader.readexactly(length)

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


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
        status, _ = await connection.ask(body)
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


def bare(classifier: Classifier, images: list[np.ndarray], seconds: float, threads: int = 1) -> Load:
    """Calls of a classifier, one after another in each of so many threads."""
    load, end = Load(), time.perf_counter() + seconds

    def call() -> None:
        turn = 0
        while time.perf_counter() < end:
            start = time.perf_counter_ns()
            classifier.predict(images[turn % len(images)])
            load.latency_ns.append(time.perf_counter_ns() - start)
            turn += 1

    began = time.perf_counter()
    callers = [threading.Thread(target=call) for _ in range(threads)]
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
    loads: dict[str, Load] = {}
    with serving(bundle, *words) as (address, _), Classifier.open(bundle, threads=1) as classifier:
        bare(classifier, images, 0.5)
        for number in range(rounds):
            subjects: list[tuple[str, Callable[[], Load]]] = [
                ("bare", lambda: bare(classifier, images, seconds)),
                ("bare, a thread a core", lambda: bare(classifier, images, seconds, os.cpu_count() or 1)),
                *(
                    (
                        f"{count} connections",
                        lambda count=count: asyncio.run(closed_loop(address, bodies, count, seconds)),
                    )
                    for count in CONNECTIONS
                ),
            ]
            for name, run in subjects if number % 2 == 0 else reversed(subjects):
                loads.setdefault(name, Load()).add(run())
    order = ["bare", "bare, a thread a core", *(f"{count} connections" for count in CONNECTIONS)]
    return {name: loads[name].to_json() for name in order}


def overload(bundle: str, factor: float, seconds: float, side: int, words: list[str]) -> dict[str, object]:
    """Ask for ``factor`` times what the server managed just before, and watch latency and memory."""
    bodies = requests("face", crops(side))
    with serving(bundle, *words) as (address, megabytes):
        asyncio.run(closed_loop(address, bodies, 16, 2))
        capacity = len((able := asyncio.run(closed_loop(address, bodies, 16, 3))).latency_ns) / able.seconds
        asyncio.run(open_loop(address, bodies, factor * capacity, min(seconds, 5)))
        before = megabytes()
        load = asyncio.run(open_loop(address, bodies, factor * capacity, seconds))
        after = megabytes()
    return {
        "capacity_per_second": round(capacity, 1),
        "asked_per_second": round(factor * capacity, 1),
        **load.to_json(),
        "memory_before_mb": round(before, 1),
        "memory_after_mb": round(after, 1),
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
