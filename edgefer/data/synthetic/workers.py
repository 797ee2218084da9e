"""Worker processes that render people side by side.

Plain child processes rather than ``multiprocessing``: a child then never imports the caller's main
module, so a script needs no ``if __name__ == "__main__"`` guard, and it can be ended at once.
A worker reads one JSON array of shots a line, and answers with the raw pixels.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgefer.data.synthetic.splits import Shot

ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}


class Job(NamedTuple):
    """Pictures to take of one person; ``size`` in pixels."""

    identity: int
    shots: Sequence[Shot]
    size: int


def render(job: Job) -> NDArray[np.uint8]:
    """The pictures of one job, in its order; uint8, N x size x size x 3."""
    from edgefer.data.synthetic.performance import stage
    from edgefer.data.synthetic.render import render_view

    images = np.empty((len(job.shots), job.size, job.size, 3), np.uint8)
    performances: dict[tuple[int, int, str], list[int]] = {}
    for number, shot in enumerate(job.shots):
        performances.setdefault((shot.expression, shot.session, shot.occlusion), []).append(number)
    for (expression, session, occlusion), numbers in performances.items():
        seen = stage(job.identity, expression, bool(session), occlusion)
        for number in numbers:
            images[number] = render_view(seen, job.shots[number].yaw, job.size)
    return images


def usable_cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def render_all(jobs: Sequence[Job], workers: int | None = None) -> Iterator[tuple[Job, NDArray[np.uint8]]]:
    """Every job with its pictures, as they are done.

    Args:
        jobs: what to render.
        workers: processes; by default one for each usable core. One renders in this process.

    Raises:
        RuntimeError: a worker died.
    """
    workers = min(workers or usable_cores(), len(jobs))
    if workers <= 1:
        for job in jobs:
            yield job, render(job)
        return
    waiting, processes = deque(jobs), []
    try:
        with selectors.DefaultSelector() as selector:
            for _ in range(workers):
                processes.append(_start())
                _send(processes[-1], waiting.popleft(), selector)
            while selector.get_map():
                for ready, _ in selector.select():
                    process, job = ready.data
                    selector.unregister(ready.fileobj)
                    images = _receive(process.stdout, job)
                    if waiting:
                        _send(process, waiting.popleft(), selector)
                    yield job, images
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.communicate()


def _start() -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C then reaches the parent alone, which ends its workers.
    return subprocess.Popen(
        [sys.executable, "-m", "edgefer.data.synthetic.workers"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **ONE_THREAD},
        bufsize=0,
        start_new_session=True,
    )


def _send(process: subprocess.Popen[bytes], job: Job, selector: selectors.BaseSelector) -> None:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(json.dumps(job).encode() + b"\n")
    selector.register(process.stdout, selectors.EVENT_READ, (process, job))


def _receive(pipe: IO[bytes], job: Job) -> NDArray[np.uint8]:
    images = np.empty((len(job.shots), job.size, job.size, 3), np.uint8)
    rest = memoryview(images.reshape(-1))
    while len(rest):
        count = pipe.readinto(rest)  # type: ignore[attr-defined]
        if not count:
            raise RuntimeError(f"a rendering process died at identity {job.identity}")
        rest = rest[count:]
    return images


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
