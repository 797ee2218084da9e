"""Under which conditions something ran: which cores, how warm, at what clock, held back or not."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from edgefer_runtime.errors import DeviceError, UsageError
from edgefer_runtime.sensors import find_sensors, throttling
from edgefer_runtime.sysfs import ROOT, text

RATE_HZ = 2.0


@contextmanager
def pinned(cores: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Keep this process, and all it starts meanwhile, on ``cores``; none named leaves it where it is.

    Yields the cores it may use.

    Raises:
        UsageError: a core that this process may not use.
        DeviceError: the system cannot pin.
    """
    if not hasattr(os, "sched_setaffinity"):
        if cores:
            raise DeviceError(
                "this system cannot pin a process", expected="Linux", action="leave --cores out"
            )
        yield ()
        return
    allowed = os.sched_getaffinity(0)
    if strangers := {*cores} - allowed:
        raise UsageError(
            f"core {min(strangers)}",
            expected=f"cores of this process: {', '.join(map(str, sorted(allowed)))}",
            action="name some of these",
        )
    os.sched_setaffinity(0, {*cores} or allowed)
    try:
        yield tuple(sorted({*cores} or allowed))
    finally:
        os.sched_setaffinity(0, allowed)


class Watch:
    """Reads the sensors in the background while its block runs.

    A context manager; :meth:`to_json` tells afterwards what was seen. Without sensors it reads nothing.

    Args:
        root: of the file system to look at.
        rate_hz: readings a second.
    """

    def __init__(self, root: Path = ROOT, rate_hz: float = RATE_HZ) -> None:
        self._root, self._rate_hz, self._sensors = root, rate_hz, find_sensors(root)
        self._readings: list[tuple[float, dict[str, Any]]] = []
        self._over = threading.Event()

    def __enter__(self) -> Watch:
        self._before = throttling(self._root)
        self._load = [self._load_average()]
        self._begin = time.monotonic()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._read()
        if any(self._readings[0][1].values()):
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        self._read()
        self._load.append(self._load_average())
        self._throttled_by = throttling(self._root).since(self._before)

    def to_json(self) -> dict[str, Any]:
        """``before``, ``after`` and the ``trace`` in between, ``throttled_by``, ``load_average`` twice."""
        trace: dict[str, Any] = {"t_s": [round(at, 3) for at, _ in self._readings]}
        for group in self._readings[0][1]:
            names = self._readings[0][1][group]
            trace[group] = {
                name: [reading[group].get(name) for _, reading in self._readings] for name in names
            }
        return {
            "before": self._readings[0][1],
            "after": self._readings[-1][1],
            "trace": trace,
            "rate_hz": self._rate_hz,
            "throttled_by": list(self._throttled_by),
            "load_average": self._load,
        }

    def _watch(self) -> None:
        while not self._over.wait(1 / self._rate_hz):
            self._read()

    def _read(self) -> None:
        self._readings.append((time.monotonic() - self._begin, self._sensors.read()))

    def _load_average(self) -> float | None:
        told = text(self._root / "proc/loadavg")
        return float(told.split()[0]) if told else None
