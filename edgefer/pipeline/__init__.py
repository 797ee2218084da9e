"""Joins the stages: train -> export -> quantize -> build -> verify -> bundle -> bench.

The only place that knows all of them; each stage is handed what it needs from the others.
"""

from __future__ import annotations

from collections.abc import Callable

Report = Callable[[str, int, int], None]
"""Called as ``report(stage, done, total)`` while work goes on."""


def ignore(stage: str, done: int, total: int) -> None:
    """A report that nobody reads."""


def counting(report: Report, stage: str, total: int) -> Callable[[int], None]:
    """A function that is told how many more are done, and reports how many are done in all."""
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        report(stage, done, total)

    return advance
