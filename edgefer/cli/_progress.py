"""How far work is: bars on a terminal, elsewhere a line a stage, so that a log tells it, too."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from edgefer.cli._ending import tell
from edgefer.cli._telling import telling

EVERY_S = 30.0
"""Between two lines of one stage."""

LONG_S = 5.0
"""A stage that took longer has a line for its end as well."""

Report = Callable[[str, int, int], None]
"""Called as ``report(stage, done, total)``; a total of 0 is not known."""


@telling
@contextmanager
def progress_bar(quiet: bool = False) -> Iterator[Report]:
    """Give a function ``report(stage, done, total)`` that tells on standard error how far each stage is.

    On a terminal it draws a bar a stage, unless ``quiet``; elsewhere it prints lines.
    """
    if not sys.stderr.isatty():
        yield StageLines()
    elif quiet:
        yield lambda stage, done, total: None
    else:
        with _bars() as report:
            yield report


class StageLines:
    """Prints a line when a stage begins, one every half minute, and one at the end of a long stage.

    Args:
        write: takes a line.
        clock: seconds that pass.
    """

    def __init__(
        self, write: Callable[[str], None] = tell, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._write, self._clock = write, clock
        self._lock = threading.Lock()
        self._stages: dict[str, _Stage] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        """See :data:`Report`."""
        with self._lock:
            if stage not in self._stages:
                self._stages[stage] = _Stage(stage, done, self._clock())
                if not 0 < total <= done:  # what is over at once was at hand
                    whole = total > 1 and not done
                    self._write(f"{stage}: {total:,}" if whole else _standing(stage, done, total))
                    return
            if line := self._stages[stage].line(done, total, self._clock()):
                self._write(line)


class _Stage:
    """What has been told of one stage."""

    def __init__(self, name: str, done: int, now_s: float) -> None:
        self._name, self._first = name, done
        self._begin_s = self._told_s = now_s
        self._over = False

    def line(self, done: int, total: int, now_s: float) -> str:
        """What is to be told now; empty for nothing."""
        took_s = now_s - self._begin_s
        if 0 < total <= done:
            over, self._over = self._over, True
            return "" if over or took_s < LONG_S else f"{self._name}: done in {_duration(took_s)}"
        self._over = False
        if now_s - self._told_s < EVERY_S:
            return ""
        self._told_s = now_s
        fresh = done - self._first
        left = f", about {_duration(took_s / fresh * (total - done))} left" if fresh > 0 and total else ""
        return _standing(self._name, done, total) + left


def _standing(name: str, done: int, total: int) -> str:
    if total <= 1:
        return f"{name}: {done:,}" if done else name
    return f"{name}: {done:,} of {total:,}"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


@contextmanager
def _bars() -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),  # ticks in a stage of one long step, too
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, Any] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total or None)
            bars.update(tasks[stage], completed=done, total=total or None)

        yield report
