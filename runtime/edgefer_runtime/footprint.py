"""What opening one engine costs: time and memory, taken in a process that has done nothing else."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgefer_runtime.bundle import Bundle
from edgefer_runtime.classifier import Classifier
from edgefer_runtime.documents import parse_json
from edgefer_runtime.errors import kind_of
from edgefer_runtime.tables import read_table

PROBE_SIDE = 256
PROBE_LIMIT_S = 600


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Time and memory of a fresh engine.

    Attributes:
        provider: what really runs.
        threads: threads a call may use.
        verify_ns: to open and verify the bundle.
        load_ns: to open the engine, its library's import included.
        first_call_ns: the first prediction, on one crop.
        rss_before_bytes, rss_after_bytes: resident memory before the library's import and after that call.
        peak_rss_bytes: largest resident memory in between, Python and numpy included.
    """

    provider: str
    threads: int
    verify_ns: int
    load_ns: int
    first_call_ns: int
    rss_before_bytes: int | None
    rss_after_bytes: int | None
    peak_rss_bytes: int | None

    def to_json(self) -> dict[str, Any]:
        """The footprint as a JSON object."""
        return asdict(self)


def footprint(path: str | Path, **opening: Any) -> Footprint:
    """Open the bundle at ``path`` and its engine here, call it once, and tell what that took.

    The numbers mean what they say only in a fresh process: see :func:`footprint_in_subprocess`.

    Args:
        path: the bundle.
        opening: as :meth:`edgefer_runtime.Classifier.open` takes it.

    Raises:
        EdgeferError: as :meth:`edgefer_runtime.Classifier.open`.
    """
    before = resident_bytes()
    begin = time.perf_counter_ns()
    with Bundle.open(path) as bundle:
        verified = time.perf_counter_ns()
        classifier = Classifier.open(bundle, **opening)
        loaded = time.perf_counter_ns()
        crop = np.arange(PROBE_SIDE * PROBE_SIDE * 3).astype(np.uint8).reshape(PROBE_SIDE, PROBE_SIDE, 3)
        called = time.perf_counter_ns()
        classifier(crop)
        done = time.perf_counter_ns()
    return Footprint(
        provider=classifier.engine.provider,
        threads=classifier.engine.threads,
        verify_ns=verified - begin,
        load_ns=loaded - verified,
        first_call_ns=done - called,
        rss_before_bytes=before,
        rss_after_bytes=resident_bytes(),
        peak_rss_bytes=peak_resident_bytes(),
    )


def footprint_in_subprocess(path: str | Path, *, threads: int | None = None) -> Footprint:
    """As :func:`footprint`, in a fresh process of this Python.

    Raises:
        EdgeferError: the process failed; the class is that of its exit code, the message its own.
    """
    command = [sys.executable, "-m", "edgefer_runtime", "probe", str(path), "--json"]
    if threads is not None:
        command += ["--threads", str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_LIMIT_S, check=False)
    if done.returncode:
        raise kind_of(done.returncode)(
            f"{path}: a fresh process could not open it and exited with {done.returncode}",
            expected="a bundle that opens",
            action=f"see what it said: {done.stderr.strip() or 'nothing'}",
        )
    return read_table(Footprint, parse_json(done.stdout.encode(), "its answer"), "its answer", later=True)


def resident_bytes() -> int | None:
    """Resident memory of this process now; None where there is no ``/proc``."""
    return _status_bytes("VmRSS")


def peak_resident_bytes() -> int | None:
    """Largest resident memory of this process; None where there is no ``/proc``.

    Not ``getrusage``: on Linux its ``ru_maxrss`` begins with the parent's memory, so a process started
    from a large one would seem large.
    """
    return _status_bytes("VmHWM")


def _status_bytes(field: str) -> int | None:
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.exists() else ():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    return None
