"""Worker processes that render people side by side.

Plain child processes rather than ``multiprocessing``: a child then never imports the caller's main
module, so that a script needs no ``if __name__ == "__main__"`` guard, and it can be ended at once.
A worker reads jobs as lines of JSON and answers each with its raw pixels.
"""

from __future__ import annotations

import io
import json
import os
import selectors
import subprocess
import sys
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import suppress
from typing import NamedTuple

import numpy as np

from edgefer.data.synthetic.arrays import Bytes
from edgefer.data.synthetic.performance import stage
from edgefer.data.synthetic.render import render_view
from edgefer.data.synthetic.splits import Shot
from edgefer_runtime.errors import DataError

SINGLE_THREADED = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Job(NamedTuple):
    """Pictures to take of one person; ``size`` in pixels."""

    identity: int
    shots: Sequence[Shot]
    size: int

    def blank(self) -> Bytes:
        """Room for the pictures; uint8, N x size x size x 3."""
        return np.empty((len(self.shots), self.size, self.size, 3), np.uint8)


def render(job: Job) -> Bytes:
    """The pictures of one job, in its order; uint8, N x size x size x 3."""
    images = job.blank()
    performances: dict[tuple[int, int, str], list[int]] = {}
    for number, (expression, _, session, occlusion) in enumerate(job.shots):
        performances.setdefault((expression, session, occlusion), []).append(number)
    for (expression, session, occlusion), numbers in performances.items():
        seen = stage(job.identity, expression, bool(session), occlusion)
        for number in numbers:
            images[number] = render_view(seen, job.shots[number].yaw, job.size)
    return images


def usable_cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def render_all(jobs: Sequence[Job], workers: int | None = None) -> Generator[tuple[Job, Bytes], None, None]:
    """Every job with its pictures, as they are done; closing the generator ends the workers at once.

    Args:
        jobs: what to render.
        workers: processes; by default one for each usable core. A single one is this process itself.

    Raises:
        DataError: a worker was killed from outside.
        RuntimeError: a worker failed; its traceback is on stderr.
    """
    count = min(workers or usable_cores(), len(jobs))
    if count <= 1:
        yield from ((job, render(job)) for job in jobs)
        return
    waiting, crew = deque(jobs), [_Worker() for _ in range(count)]
    try:
        with selectors.DefaultSelector() as selector:
            for idle in crew:
                idle.begin(waiting.popleft())
                selector.register(idle, selectors.EVENT_READ, idle)
            while selector.get_map():
                for ready, _ in selector.select():
                    worker: _Worker = ready.data
                    job, images = worker.job, worker.result()
                    if waiting:
                        worker.begin(waiting.popleft())
                    else:
                        selector.unregister(worker)
                    yield job, images
    finally:
        for member in crew:
            member.end()


class _Worker:
    """One child process and the job it is at."""

    job: Job

    def __init__(self) -> None:
        # A session of its own: Ctrl-C then reaches the parent alone, which ends its workers.
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={
                **os.environ,
                **SINGLE_THREADED,
                "PYTHONPATH": os.pathsep.join(sys.path),
                "PYTHONSAFEPATH": "1",
            },
            start_new_session=True,
        )
        assert self._process.stdin and isinstance(self._process.stdout, io.BufferedReader)
        self._orders, self._answers = self._process.stdin, self._process.stdout

    def fileno(self) -> int:
        return self._answers.fileno()

    def begin(self, job: Job) -> None:
        self.job = job
        with suppress(BrokenPipeError):  # a dead worker is reported by result()
            self._orders.write(json.dumps(job).encode() + b"\n")
            self._orders.flush()

    def result(self) -> Bytes:
        images = self.job.blank()
        if self._answers.readinto(images.data) == images.nbytes:
            return images
        status = self._process.wait()
        if status < 0:
            raise DataError(
                f"a rendering process was ended by signal {-status}",
                expected="about 100 MB of memory for each process",
                action="run the command again; what is done is kept",
            )
        raise RuntimeError(f"a rendering process failed at identity {self.job.identity}")

    def end(self) -> None:
        self._process.terminate()
        with suppress(BrokenPipeError):
            self._orders.close()
        self._answers.close()
        self._process.wait()


def _work() -> None:
    """Serve jobs until the parent closes the pipe or is gone."""
    for line in sys.stdin.buffer:
        identity, shots, size = json.loads(line)
        images = render(Job(identity, [Shot(*shot) for shot in shots], size))
        try:
            sys.stdout.buffer.write(images.data)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            os._exit(1)


if __name__ == "__main__":
    _work()
