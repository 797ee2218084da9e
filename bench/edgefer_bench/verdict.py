"""Which of several engines to use on this machine, and why: the fastest whose accuracy is known to hold.

A narrower engine may be chosen when the upper end of its drop's interval keeps a limit: what is not known to
hold does not count as held. Of engines that cannot be told apart by speed, the one of wider precision is
chosen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgefer_bench.rendering import number, with_interval
from edgefer_bench.scoring import identity
from edgefer_bench.statistics import Ratio, judge_stability, paired_ratio
from edgefer_bench.timing import block_medians
from edgefer_runtime.bundle import Bundle
from edgefer_runtime.measuring import Measurement

ACCEPTABLE_POINTS = 1.0
"""The upper end that a drop may have when the user named no budget."""

Key = tuple[str, str]
"""Target and precision."""

WIDEST_FIRST = ("fp32", "bf16", "fp16", "int8")


@dataclass(frozen=True)
class Timed:
    """One engine, timed in turns with the others.

    Attributes:
        engine: target and precision, as people read it.
        precision: its second word.
        p50_ms: median latency.
        speed: how many times as fast it is as the verdict's ``against``.
        speed_float: the same against the fp32 engine of its own target; None where that was not timed.
        drop: accuracy drop in points; ``drop_interval`` its 95 % interval.
        unstable: why its timing is not to be trusted; empty when it is.
    """

    engine: str
    precision: str
    p50_ms: float
    speed: Ratio
    speed_float: Ratio | None
    drop: float | None
    drop_interval: tuple[float, float] | None
    unstable: tuple[str, ...]

    def holds(self, limit_points: float) -> bool:
        """Whether the drop is known to be within the limit; float's always is, its engines are checked."""
        if self.precision == WIDEST_FIRST[0]:
            return True
        return self.drop_interval is not None and self.drop_interval[1] <= limit_points


@dataclass(frozen=True)
class Verdict:
    """See the module.

    Attributes:
        chosen: the engine to use, by target and precision; None when the timings are too few to tell.
        reason: the same and why, in one sentence for people.
        notes: what else should be known: engines that are slower than float, doubts, lost candidates.
        against: the engine that ``speed`` compares with.
        engines: all that were timed.
    """

    chosen: str | None
    reason: str
    notes: tuple[str, ...]
    against: str
    engines: tuple[Timed, ...]

    def to_json(self) -> dict[str, Any]:
        """The verdict as a JSON object."""
        return asdict(self)


def judge(
    bundles: Sequence[Bundle],
    drops: Sequence[Mapping[str, Any]],
    measurement: Measurement,
    limit_points: float = ACCEPTABLE_POINTS,
) -> Verdict:
    """Choose among engines of one model that were timed together.

    Args:
        bundles: the engines, each target's fp32 engine among them.
        drops: their drops, as :func:`edgefer_bench.scoring.drops` gives them.
        measurement: their latencies, in the same order.
        limit_points: what the upper end of a drop's interval may be.
    """
    medians = [block_medians(samples) for samples in measurement.samples.values()]
    of_engine = {identity(bundle)[2:]: times for bundle, times in zip(bundles, medians, strict=True)}
    against = next((key for key in of_engine if key == ("onnxruntime", "fp32")), next(iter(of_engine)))
    engines = {}
    for bundle, drop, times, samples in zip(
        bundles, drops, medians, measurement.samples.values(), strict=True
    ):
        target, precision = identity(bundle)[2:]
        twin = of_engine.get((target, "fp32"))
        engines[target, precision] = Timed(
            engine=f"{target} {precision}",
            precision=precision,
            p50_ms=float(np.median(samples.latency_ns)) / 1e6,
            speed=paired_ratio(of_engine[against], times),
            speed_float=None if twin is None else paired_ratio(twin, times),
            drop=drop["points"],
            drop_interval=drop["interval"],
            unstable=judge_stability(times, warm=samples.stable).reasons,
        )
    return _choose(engines, of_engine, against, limit_points)


def _choose(
    engines: Mapping[Key, Timed], medians: Mapping[Key, Sequence[float]], against: Key, limit_points: float
) -> Verdict:
    fit = [key for key, timed in engines.items() if timed.holds(limit_points)]
    fastest = max(fit, key=lambda key: engines[key].speed.value)
    lead = {key: paired_ratio(medians[key], medians[fastest]) for key in fit}
    level = [key for key in fit if not _above_one(lead[key])]
    chosen = min(level, key=lambda key: (WIDEST_FIRST.index(key[1]), -engines[key].speed.value))
    if lead[fastest].interval is None:
        return Verdict(
            chosen=None,
            reason="undecided: the machine is too busy to time engines on, or they are very slow",
            notes=tuple(_unstable(engines.values())),
            against=engines[against].engine,
            engines=tuple(engines.values()),
        )
    notes = [
        *_outrun(engines.values(), engines[chosen], limit_points),
        *_no_faster_than_float(engines.values()),
        *_unstable(engines.values()),
    ]
    if fastest[0] != chosen[0]:  # else its comparison with float says so
        times = _times(lead[chosen])
        notes.insert(0, f"{engines[fastest].engine} is not shown to be faster: {times} as fast")
    return Verdict(
        chosen=engines[chosen].engine,
        reason=_reason(engines[chosen], engines[against]),
        notes=tuple(notes),
        against=engines[against].engine,
        engines=tuple(engines.values()),
    )


def _reason(chosen: Timed, against: Timed) -> str:
    if chosen is against:
        return f"use {chosen.engine}: nothing that keeps its accuracy is shown to be faster"
    drop = with_interval(chosen.drop, chosen.drop_interval, 2)
    cost = "in float" if chosen.precision == WIDEST_FIRST[0] else f"drop {drop} points"
    return f"use {chosen.engine}: {_times(chosen.speed)} as fast as {against.engine}, {cost}"


def _outrun(engines: Iterable[Timed], chosen: Timed, limit_points: float) -> list[str]:
    """Engines that would be faster, did their accuracy hold."""
    return [
        f"{timed.engine} is {_times(timed.speed)} as fast, but its drop may be "
        f"{number(timed.drop_interval[1], 2) if timed.drop_interval else 'anything'} points, "
        f"more than {limit_points:g}"
        for timed in engines
        if not timed.holds(limit_points) and timed.speed.value > chosen.speed.value
    ]


def _no_faster_than_float(engines: Iterable[Timed]) -> list[str]:
    notes = []
    for timed in engines:
        if timed.precision == WIDEST_FIRST[0] or timed.speed_float is None or _above_one(timed.speed_float):
            continue
        bounds = timed.speed_float.interval
        finding = "is slower than" if bounds and bounds[1] < 1 else "is not shown to be faster than"
        twin = timed.engine.replace(timed.precision, WIDEST_FIRST[0])
        notes.append(f"{timed.engine} {finding} {twin} on this machine: {_times(timed.speed_float)} as fast")
    return notes


def _unstable(engines: Iterable[Timed]) -> list[str]:
    doubted = [timed for timed in engines if timed.unstable]
    if not doubted:
        return []
    names = ", ".join(timed.engine for timed in doubted)
    reasons = f"{doubted[0].engine}: {'; '.join(doubted[0].unstable)}"
    return [f"not to be quoted: unstable timing of {names} ({reasons}); again when idle: edgefer bench"]


def _above_one(ratio: Ratio) -> bool:
    return ratio.interval is not None and ratio.interval[0] > 1


def _times(ratio: Ratio) -> str:
    return f"{with_interval(ratio.value, ratio.interval, 2)} times"
