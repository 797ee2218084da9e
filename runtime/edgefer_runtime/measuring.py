"""The timing loop: warm up until it is stable, then interleave, and keep every sample.

Subjects take turns in blocks, in the order A B B A, so that whatever slows the machine meets all of them
alike and the i-th blocks of two subjects can be compared as a pair.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.errors import DataError, UsageError

Subject = Callable[[NDArray[np.uint8]], Any]
Progress = Callable[[str, float], None]
"""Called after every round with the phase, ``"warm-up"`` or ``"measure"``, and the part of it done, 0..1."""

LEAD_IN = 4
"""Calls before a block that are not timed, a fifth of its calls at most: another engine has just had the
caches, which a robot's only one finds as it left them. Without, in blocks of five calls, B, C and D of five
equal engines, which never follow themselves in A B C D E E D C B A, were slower than A and E by 1 to 3 %."""

TREND_POINTS = 8
"""Points that must lie on a level line for a warm-up to end; each stands for as many blocks."""

SURE = 16
"""By how many of eight points' 28 pairs there must be more that rise than fall, or fall than rise, for a
trend to be more than chance, which does that once in thirty times (Kendall's test)."""


@dataclass(frozen=True, kw_only=True)
class MeasureSettings:
    """How long and how carefully to measure.

    Attributes:
        duration_s: time to measure for, a subject; all get the same number of calls, so a slow one gets more.
        block_calls: calls of one subject in a row.
        min_warmup_calls: calls of each subject before warm-up may end.
        min_warmup_s, max_warmup_s: when warm-up may and must end.
        warmup_tolerance: largest change over the later half of the warm-up that counts as level.
        min_inputs: different inputs to rotate over; a single one would stay in the cache.
    """

    duration_s: float = 60.0
    block_calls: int = 50
    min_warmup_calls: int = 200
    min_warmup_s: float = 5.0
    max_warmup_s: float = 60.0
    warmup_tolerance: float = 0.01
    min_inputs: int = 64

    def __post_init__(self) -> None:
        if min(self.duration_s, self.block_calls, self.warmup_tolerance, self.min_inputs) <= 0:
            raise UsageError(f"{self}", expected="a positive duration, block, tolerance and number of inputs")


@dataclass(frozen=True, eq=False)
class Samples:
    """Every timed call of one subject, in the order they were made.

    Attributes:
        latency_ns: int64, one a call.
        block: int64, the block each call belongs to; equal numbers of two subjects ran side by side.
        warmup_calls: calls made before the first sample.
        stable: whether nothing but chance moved the latencies any more when warm-up ended.
    """

    latency_ns: NDArray[np.int64]
    block: NDArray[np.int64]
    warmup_calls: int
    stable: bool


@dataclass(frozen=True, eq=False)
class Measurement:
    """What :func:`measure` returns.

    Attributes:
        samples: by subject.
        order: for each round, the subjects in the order their blocks ran.
        warmup_s, duration_s: what both phases took.
        inputs: different inputs that were rotated over.
        settings: as they were asked for.
    """

    samples: Mapping[str, Samples]
    order: tuple[tuple[str, ...], ...]
    warmup_s: float
    duration_s: float
    inputs: int
    settings: MeasureSettings


def measure(
    subjects: Mapping[str, Subject],
    inputs: Sequence[NDArray[np.uint8]] | Mapping[str, Sequence[NDArray[np.uint8]]],
    settings: MeasureSettings,
    on_progress: Progress | None = None,
) -> Measurement:
    """Time ``subjects`` against each other on one thread of calls.

    Args:
        subjects: what to call with one input, by name; the result is thrown away.
        inputs: preloaded, whatever the subjects take; rotated over. By name where each takes its own,
            at least ``settings.min_inputs`` of each.
        settings: how long and how carefully.
        on_progress: told after every round how far things are.

    Raises:
        UsageError: no subject.
        DataError: fewer different inputs than ``settings.min_inputs``.
    """
    if not subjects:
        raise UsageError("nothing to measure", expected="at least one subject")
    by_name = inputs if isinstance(inputs, Mapping) else dict.fromkeys(subjects, inputs)
    different = min(
        len({image.tobytes() for image in images})
        for images in {id(images): images for images in by_name.values()}.values()
    )
    if different < settings.min_inputs:
        raise DataError(
            f"{different} different inputs to measure on",
            expected=f"at least {settings.min_inputs}",
            action="give more faces",
        )
    rounds = _Rounds(subjects, by_name, settings.block_calls)
    warmup_s, stable = _warm_up(rounds, settings, on_progress)
    first = len(rounds.order)
    warm = first * (rounds.lead_in + settings.block_calls)
    wanted_s = settings.duration_s * len(subjects)
    begin = time.monotonic()
    while (elapsed := time.monotonic() - begin) < wanted_s or (len(rounds.order) - first) % 2:
        rounds.run()
        if on_progress:
            on_progress("measure", min(1.0, elapsed / wanted_s))
    return Measurement(
        samples={
            name: _samples(blocks[first:], warm, stable[name]) for name, blocks in rounds.blocks.items()
        },
        order=tuple(rounds.order[first:]),
        warmup_s=warmup_s,
        duration_s=elapsed,
        inputs=different,
        settings=settings,
    )


class _Rounds:
    """Rounds of one block a subject, the order of each second round reversed."""

    def __init__(
        self,
        subjects: Mapping[str, Subject],
        inputs: Mapping[str, Sequence[NDArray[np.uint8]]],
        calls: int,
    ) -> None:
        self.subjects, self.inputs, self.calls = subjects, inputs, calls
        self.lead_in = min(LEAD_IN, calls // 5)
        self.order: list[tuple[str, ...]] = []
        self.blocks: dict[str, list[NDArray[np.int64]]] = {name: [] for name in subjects}

    def run(self) -> None:
        names = tuple(self.subjects)
        turn = len(self.order)
        order = names if turn % 2 == 0 else names[::-1]
        for name in order:
            self.blocks[name].append(self._block(name, turn * self.calls))
        self.order.append(order)

    def _block(self, name: str, start: int) -> NDArray[np.int64]:
        subject, images = self.subjects[name], self.inputs[name]
        inputs = [images[index % len(images)] for index in range(start - self.lead_in, start + self.calls)]
        latency_ns = np.empty(self.calls, dtype=np.int64)
        clock = time.perf_counter_ns
        with _no_garbage_collection():
            for image in inputs[: self.lead_in]:
                subject(image)
            for call, image in enumerate(inputs[self.lead_in :]):
                begin = clock()
                subject(image)
                latency_ns[call] = clock() - begin
        return latency_ns


def _warm_up(
    rounds: _Rounds, settings: MeasureSettings, on_progress: Progress | None
) -> tuple[float, dict[str, bool]]:
    """Run rounds until every subject is level, or time is up; seconds it took, and which are level."""
    medians: dict[str, list[float]] = {name: [] for name in rounds.subjects}
    begin = time.monotonic()
    while True:
        rounds.run()
        for name, blocks in rounds.blocks.items():
            medians[name].append(float(np.median(blocks[-1])))
        elapsed = time.monotonic() - begin
        if on_progress:
            on_progress("warm-up", min(1.0, elapsed / settings.max_warmup_s))
        over = elapsed >= settings.max_warmup_s
        calls = len(rounds.order) * settings.block_calls
        enough = elapsed >= settings.min_warmup_s and calls >= settings.min_warmup_calls
        tolerance = settings.warmup_tolerance
        level = {name: is_level(each, tolerance) for name, each in medians.items()}
        if over or (enough and all(level.values())):
            return elapsed, level


def is_level(medians: Sequence[float], tolerance: float) -> bool:
    """Whether the later half of the medians, or the last eight if that is less, follows no trend.

    It is seen as :data:`TREND_POINTS` points, so that the longer a warm-up goes on, the longer is the time
    that must be level and the less is a point moved by noise. The trend is the Theil-Sen line (the median of
    all pairs' slopes; J. Am. Stat. Assoc. 63, 1968), which one disturbed point cannot tilt. Level is a line
    that rises or falls by less than ``tolerance`` of the median from end to end, or by no more than chance
    makes it: a busy machine is not warming up. Fewer medians are never level.
    """
    points = _points(medians)
    rising = sum(int(np.sign(later - earlier)) for earlier, later in combinations(points, 2))
    return bool(points) and (_change(points) < tolerance or abs(rising) < SURE)


def _points(medians: Sequence[float]) -> list[float]:
    """The later half of the medians as :data:`TREND_POINTS` medians of theirs; none of too few."""
    if len(medians) < TREND_POINTS:
        return []
    last = medians[-max(TREND_POINTS, len(medians) // 2) :]
    return [float(np.median(part)) for part in np.array_split(last, TREND_POINTS)]


def _change(points: Sequence[float]) -> float:
    """How far the trend goes from the first point to the last, as a share of their median."""
    places = range(len(points))
    slope = np.median([(points[j] - points[i]) / (j - i) for i, j in combinations(places, 2)])
    return float(abs(slope) * (len(points) - 1) / np.median(points))


def _samples(blocks: Sequence[NDArray[np.int64]], warmup_calls: int, stable: bool) -> Samples:
    lengths = [len(block) for block in blocks]
    return Samples(np.concatenate(blocks), np.repeat(np.arange(len(blocks)), lengths), warmup_calls, stable)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
