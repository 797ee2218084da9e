"""Runs the tests, a process an area: what `make test` does.

    python tools/run_tests.py [AREA ...] [-- PYTEST WORDS ...]

Areas that hold one clock against another run alone and first; the others run side by side, one to a core.
No process holds torch, ONNX Runtime and OpenVINO through a thousand tests: nobody's program does.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

ROOT = Path(__file__).parents[1]
CLOCKED = ("bench", "runtime")
LONGEST_FIRST = ("e2e", "contract", "training", "pipeline")
NO_TESTS_COLLECTED = 5


def main(words: Sequence[str]) -> int:
    """Run the areas named, or all of them; 1 when a test failed."""
    split = words.index("--") if "--" in words else len(words)
    areas, pytest_words = list(words[:split]), list(words[split + 1 :])
    areas = areas or sorted({file.parent.name for file in ROOT.glob("tests/*/test_*.py")})
    first = [area for area in CLOCKED if area in areas]
    rest = [area for area in LONGEST_FIRST if area in areas]
    rest += [area for area in areas if area not in (*first, *rest)]
    cores = os.cpu_count() or 1
    failed = [area for area in first if not _passes(area, pytest_words, threads=cores)]
    with ThreadPoolExecutor(max_workers=cores) as pool:
        runs = {pool.submit(_passes, area, pytest_words, threads=1): area for area in rest}
        failed += [runs[run] for run in as_completed(runs) if not run.result()]
    if failed:
        print(f"\nFAILED: {' '.join(failed)}")
    return bool(failed)


def _passes(area: str, words: Sequence[str], *, threads: int) -> bool:
    """Run an area's tests and print all they said once they have ended."""
    began_s = time.monotonic()
    run = subprocess.run(
        [sys.executable, "-m", "pytest", f"tests/{area}", *words],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    print(f"\n== tests/{area}: {time.monotonic() - began_s:.0f} s\n{run.stdout}", end="", flush=True)
    return run.returncode in (0, NO_TESTS_COLLECTED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
