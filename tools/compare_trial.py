"""Does `edgefer compare` cry wolf, and does it see one? Real records of one bundle, and a slowdown put in.

    python tools/compare_trial.py runs/pattlite/onnxruntime-int8

Measures the bundle against itself, opened twice, ten times over, and asks `edgefer compare
--fail-if-slower 3%` of each pair of records (A/A); then once more with each call of the second made a tenth
longer. Ends with exit code 1 if one of the ten was called slower, or the slower one was not.

Where an engine comes to lie in memory changes its speed by some percent, and a process decides it once; so
every comparison is a run of its own, in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edgefer.pipeline.faces import load_faces
from edgefer_bench.benchmark import bench
from edgefer_bench.records import read_records, write_records
from edgefer_runtime import benching
from edgefer_runtime.benching import BenchPlan
from edgefer_runtime.bundle import Bundle
from edgefer_runtime.errors import CheckError

LIMIT = "3%"
SLOWDOWN = 0.1
FACES = "synthfer:eval[:350]"
"""Few, since every run labels them, and nobody asks for the accuracy here."""


def measure(asked: argparse.Namespace) -> None:
    """Write two records of a bundle, the calls of the second ``asked.delay_ns`` longer than they are."""
    plan = BenchPlan(duration_s=asked.seconds, threads=asked.threads)
    if asked.delay_ns:
        benching.time_engines = late(asked.delay_ns)  # in this process, which ends with it
    with Bundle.open(asked.bundle) as bundle:
        write_records(bench([bundle, bundle], load_faces(FACES), plan=plan), asked.into)


def late(delay_ns: float) -> Callable[..., Any]:
    """:func:`edgefer_runtime.benching.time_engines`, each call of the second engine ``delay_ns`` longer."""
    time_engines = benching.time_engines

    def timed(classifiers: Sequence[Any], *rest: Any, **settings: Any) -> Any:
        engine = classifiers[1].engine
        run, clock = engine.run, time.perf_counter_ns

        def slower(images: Any) -> Any:
            answer, until = run(images), clock() + delay_ns
            while clock() < until:
                pass
            return answer

        engine.run = slower
        return time_engines(classifiers, *rest, **settings)

    return timed


def compared(asked: argparse.Namespace, folder: Path, delay_ns: float = 0) -> bool:
    """Whether `edgefer compare` calls the second of two fresh records slower; prints what it found."""
    words = [str(asked.bundle), "--seconds", str(asked.seconds), "--threads", str(asked.threads)]
    apart = [sys.executable, __file__, *words, "--into", str(folder), "--delay-ns", str(delay_ns)]
    subprocess.run(apart, check=True)
    command = [sys.executable, "-m", "edgefer.cli.main", "compare", *map(str, sorted(folder.iterdir()))]
    done = subprocess.run([*command, "--json", "--fail-if-slower", LIMIT], capture_output=True, text=True)
    (found,) = json.loads(done.stdout)["comparisons"]
    value, *bounds = (100 * (each - 1) for each in (found["ratio"]["value"], *found["ratio"]["interval"]))
    print(f"{value:+6.2f} % ({bounds[0]:+.2f} to {bounds[1]:+.2f}), exit code {done.returncode}", flush=True)
    return done.returncode == CheckError.exit_code


def main() -> int:
    """Exit code 1 if `edgefer compare` was wrong once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--times", type=int, default=10, help="A/A comparisons [10]")
    parser.add_argument("--seconds", type=float, default=3.0, help="timed, of each of the two [3]")
    parser.add_argument("--threads", type=int, default=1, help="of each engine [1]")
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--delay-ns", type=float, default=0.0, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.into:
        measure(asked)
        return 0
    with tempfile.TemporaryDirectory() as root:
        folders = [Path(root) / str(place) for place in range(asked.times)]
        print(f"{asked.bundle} against itself:")
        alarms = sum(compared(asked, folder) for folder in folders)
        p50_ms = statistics.median(read_records(folder)[0]["p50_ms"] for folder in folders)
        print(f"the second {100 * SLOWDOWN:g} % of {p50_ms:.2f} ms slower:")
        found = compared(asked, Path(root) / "slower", delay_ns=SLOWDOWN * p50_ms * 1e6)
    print(f"{alarms} false alarms of {asked.times}; the slower one was {'found' if found else 'missed'}")
    return int(alarms > 0 or not found)


if __name__ == "__main__":
    sys.exit(main())
