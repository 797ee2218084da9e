"""Joins the stages: train -> export -> quantize -> build -> verify -> bundle -> bench.

The only place that knows all of them; each stage is handed what it needs from the others.
"""

from __future__ import annotations

from collections.abc import Callable

Report = Callable[[str, int, int], None]
"""Called as ``report(stage, done, total)`` while work goes on."""


def ignore(stage: str, done: int, total: int) -> None:
    """A report that nobody reads."""
