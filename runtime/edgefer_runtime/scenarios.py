"""How engines are used besides one call after another: eight faces at once, all at once, a camera."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

SCENARIOS = ("multi-stream", "offline", "camera")
STREAMS = 8
"""Faces of one query, as in MLPerf's MultiStream."""

Call = Callable[[NDArray[np.uint8]], Any]


def multi_stream(predict: Call, images: NDArray[np.uint8], *, duration_s: float) -> dict[str, Any]:
    """Queries of eight faces, one after another: eight people in one frame.

    Args:
        predict: takes uint8, 8 x H x W x 3.
        images: at least eight, N x H x W x 3; rotated over.
        duration_s: how long to go on.

    Returns:
        ``streams``, and ``latency_ns`` of each query, from its first face in to its last label out.
    """
    starts = range(0, len(images), STREAMS)
    queries = [np.take(images, range(start, start + STREAMS), axis=0, mode="wrap") for start in starts]
    latency_ns: list[int] = []
    end_ns = time.perf_counter_ns() + round(duration_s * 1e9)
    done = 0
    while done < end_ns:
        begin = time.perf_counter_ns()
        predict(queries[len(latency_ns) % len(queries)])
        done = time.perf_counter_ns()
        latency_ns.append(done - begin)
    return {"streams": STREAMS, "latency_ns": latency_ns}


def offline(
    run: Call, inputs: Sequence[NDArray[np.uint8]], *, duration_s: float, workers: int
) -> dict[str, Any]:
    """As many faces as can be done when all are there from the start.

    Args:
        run: may be called from several threads.
        inputs: batches, rotated over.
        duration_s: how long to go on.
        workers: threads that call at once.

    Returns:
        ``workers``, ``images``, ``seconds`` and ``images_per_s``.
    """
    begin = time.perf_counter()

    def work(worker: int) -> int:
        done = 0
        for number in count(worker, workers):
            batch = inputs[number % len(inputs)]
            run(batch)
            done += len(batch)
            if time.perf_counter() - begin >= duration_s:
                break
        return done

    with ThreadPoolExecutor(workers) as pool:
        images = sum(pool.map(work, range(workers)))
    seconds = time.perf_counter() - begin
    return {"workers": workers, "images": images, "seconds": seconds, "images_per_s": images / seconds}


def camera(
    label: Call, frames: Sequence[NDArray[np.uint8]], *, hz: float, duration_s: float
) -> dict[str, Any]:
    """Frames that arrive by the clock, whether the last one is done or not.

    A frame that arrives while another is at work waits; only the newest waits, older ones are dropped, as a
    robot wants it. Its deadline is the arrival of the next.

    Args:
        label: from a frame to a label.
        frames: rotated over.
        hz: arrivals a second.
        duration_s: how long the camera runs.

    Returns:
        ``hz``, ``arrived``, ``dropped`` and ``missed`` (answered after their deadline) frames;
        ``latency_ns`` from each answered frame's arrival to its label; ``jitter_ns``, how far each interval
        between two labels was from the nearest whole number of periods.
    """
    period_ns = round(1e9 / hz)
    arrivals = max(2, int(duration_s * hz))
    latency_ns: list[int] = []
    answered_ns: list[int] = []
    begin = time.perf_counter_ns() + period_ns
    arrival = 0
    while arrival < arrivals:
        due = begin + arrival * period_ns
        if (early_ns := due - time.perf_counter_ns()) > 0:
            time.sleep(early_ns / 1e9)
        label(frames[arrival % len(frames)])
        done = time.perf_counter_ns()
        latency_ns.append(done - due)
        answered_ns.append(done)
        arrival = max(arrival + 1, (done - begin) // period_ns)
    intervals = np.diff(np.array(answered_ns))
    whole = np.maximum(np.round(intervals / period_ns), 1)
    return {
        "hz": hz,
        "arrived": arrivals,
        "dropped": arrivals - len(latency_ns),
        "missed": sum(latency > period_ns for latency in latency_ns),
        "latency_ns": latency_ns,
        "jitter_ns": np.abs(intervals - whole * period_ns).astype(np.int64).tolist(),
    }
