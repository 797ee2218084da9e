"""Many calls from many threads, good frames and bad, and the memory that they leave behind.

    python tools/soak.py BUNDLE --calls 100000 --threads 8

Every answer is compared with the first one for the same crop; what is no crop must be refused. Memory is read
at 50 moments; the second half of them must not be above the first by more than the allowance.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime import Classifier
from edgefer_runtime.errors import DataError
from edgefer_runtime.footprint import resident_bytes

MOMENTS = 50
ALLOWANCE_BYTES = 4 << 20
BAD_EVERY = 10
"""One call in so many is none that can be answered."""


def crops() -> list[NDArray[np.uint8]]:
    """Crops of many sizes and layouts: contiguous, mirrored views, every second row, read only, 1 x 1."""
    random = np.random.default_rng(0)
    made = [random.integers(0, 256, (side, side + 3, 3), dtype=np.uint8) for side in (1, 17, 64, 112, 200)]
    made += [made[3][:, ::-1], made[4][::2], made[3][..., ::-1], made[4].swapaxes(0, 1)]
    made[3].flags.writeable = False
    return made


def damaged() -> list[Any]:
    """What a broken camera or program hands over."""
    good = np.zeros((8, 8, 3), np.uint8)
    return [
        *(None, b"JPEG", [[1, 2, 3]], good[:0], good[:, :0], good[..., 0], good[..., :2]),
        *(good.astype(np.float32), good.astype(np.int16), good[None], np.zeros((8, 8, 4), np.uint8)),
    ]


def soak(classifier: Classifier, calls: int, threads: int) -> dict[str, Any]:
    """Call ``calls`` times from ``threads`` threads; what was wrong, and the memory in between."""
    good, bad = crops(), damaged()
    expected = [classifier(crop).probabilities for crop in good]

    def one(number: int) -> str | None:
        if number % BAD_EVERY == 0:
            return refused(classifier, bad[number // BAD_EVERY % len(bad)])
        index = number % len(good)
        if np.array_equal(classifier(good[index]).probabilities, expected[index]):
            return None
        return f"another answer for crop {index}"

    memory, wrong = [], []
    started_s = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        for moment in range(MOMENTS):
            numbers = range(calls * moment // MOMENTS, calls * (moment + 1) // MOMENTS)
            wrong += [found for found in pool.map(one, numbers) if found]
            memory.append(resident_bytes() or 0)
    # The first fifth still fills the libraries' own caches: one workspace a thread and a size.
    settled = memory[MOMENTS // 5 :]
    half = len(settled) // 2
    growth = statistics.median(settled[half:]) - statistics.median(settled[:half])
    return {
        "calls": calls,
        "threads": threads,
        "seconds": round(time.perf_counter() - started_s, 1),
        "wrong": wrong[:10],
        "growth_bytes": int(growth),
        "memory_bytes": memory,
    }


def refused(classifier: Callable[[Any], object], crop: Any) -> str | None:
    """None, or what came instead of a DataError."""
    try:
        classifier(crop)
    except DataError:
        return None
    except Exception as error:  # what users must never see
        return f"{type(error).__name__} for {type(crop).__name__}: {error}"
    return f"an answer for {type(crop).__name__}"


def main() -> int:
    """Soak, print the outcome as JSON, and fail if anything was wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--threads", type=int, default=8)
    options = parser.parse_args()
    with Classifier.open(options.bundle, threads=1) as classifier:
        outcome = soak(classifier, options.calls, options.threads)
    print(json.dumps(outcome))
    return int(bool(outcome["wrong"]) or outcome["growth_bytes"] > ALLOWANCE_BYTES)


if __name__ == "__main__":
    sys.exit(main())
