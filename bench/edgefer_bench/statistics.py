"""Statistics of timings: percentiles with bounds, ratios of interleaved subjects, stability of a run.

Nothing is clipped or dropped: the slow calls are the ones a robot waits for. Everything here is free of
assumptions about the shape of the distribution, since latencies have none to rely on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer_bench.intervals import CONFIDENCE, Interval

PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9)
BOUND_CONFIDENCE = 0.99
_EXACT_BLOCKS = 100  # up to here the signed-rank distribution is counted out, beyond it is normal

# A run is called unstable past these; they are what an idle desktop keeps without effort.
DRIFT_LIMIT_PERCENT = 5.0
SPREAD_LIMIT_PERCENT = 10.0
NULL_LIMIT_PERCENT = 2.0

Numbers = NDArray[np.number[Any]]


def percentile(samples: Numbers, percent: float) -> float | None:
    """The sample at a nearest-rank percentile; None when no sample can be expected to lie beyond it."""
    count = len(samples)
    if count * (1 - percent / 100) < 1 - 1e-9:
        return None
    rank = math.ceil(round(count * percent / 100, 9))
    return float(np.partition(samples, rank - 1)[rank - 1])


def percentile_upper_bound(
    samples: Numbers, percent: float, confidence: float = BOUND_CONFIDENCE
) -> float | None:
    """Distribution-free upper confidence bound on a percentile, from order statistics.

    The bound is the smallest order statistic that is at least the true percentile with the wanted
    confidence: with q the share beyond the percentile, at most r of n samples lie beyond it with
    probability P(Binomial(n, q) <= r), so the (r + 1)-th largest sample is a bound while that probability
    is at most 1 - confidence. The largest sample alone is never taken for a bound (r >= 1), one
    interrupt would be it; that asks for 64 samples at p90 and 662 at p99, MLPerf's early-stopping rule.

    Returns:
        The bound in the samples' unit, None with too few samples. Samples are taken as independent;
        neighbours in time are not quite, so read it as a bound for runs like this one.
    """
    allowed = _allowed_beyond(len(samples), 1 - percent / 100, 1 - confidence)
    if allowed < 1:
        return None
    rank = len(samples) - allowed
    return float(np.partition(samples, rank - 1)[rank - 1])


def summarise_latency(latency_ns: Numbers) -> dict[str, float | int | None]:
    """What a record tells of a subject's samples, in milliseconds.

    Keys: ``samples, min_ms, mean_ms, sd_ms, max_ms``, and ``pNN_ms`` with ``pNN_upper_ms`` (99 %
    confidence) for each of :data:`PERCENTILES`, null where the samples are too few.

    Raises:
        ValueError: no samples.
    """
    if len(latency_ns) == 0:
        raise ValueError("no samples")
    milliseconds = latency_ns / 1e6
    summary: dict[str, float | int | None] = {
        "samples": len(latency_ns),
        "min_ms": float(milliseconds.min()),
        "mean_ms": float(milliseconds.mean()),
        "sd_ms": float(milliseconds.std(ddof=1)) if len(latency_ns) > 1 else None,
        "max_ms": float(milliseconds.max()),
    }
    for percent in PERCENTILES:
        summary[f"p{percent:g}_ms"] = percentile(milliseconds, percent)
        summary[f"p{percent:g}_upper_ms"] = percentile_upper_bound(milliseconds, percent)
    return summary


@dataclass(frozen=True)
class Ratio:
    """How many times one thing is another.

    Attributes:
        value: the ratio.
        interval: its 95 % interval, None with fewer than six pairs of blocks, or four times measured apart.
        pairs: pairs of blocks behind it; of what was measured apart, times of the one with fewer.
    """

    value: float
    interval: Interval | None
    pairs: int

    def to_json(self) -> dict[str, Any]:
        """The ratio as a JSON object."""
        return asdict(self)


def paired_ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Ratio:
    """Ratio of two interleaved subjects from the medians of their blocks.

    The i-th blocks of both ran side by side, so whatever slowed the machine then slowed both; their log
    ratios are combined by the Hodges-Lehmann estimate (Ann. Math. Stat. 34, 1963) with the interval that
    inverts Wilcoxon's signed-rank test: no assumption but symmetry, which A B B A order gives to a drift.

    Raises:
        ValueError: no blocks, numbers of blocks that differ, or a time that is not positive.
    """
    over, under = np.asarray(numerators, dtype=np.float64), np.asarray(denominators, dtype=np.float64)
    if len(over) == 0 or over.shape != under.shape or min(over.min(), under.min()) <= 0:
        raise ValueError(f"{len(over)} and {len(under)} blocks do not pair")
    differences = np.log(over) - np.log(under)
    count = len(differences)
    first, second = np.triu_indices(count)
    averages = np.sort((differences[first] + differences[second]) / 2)
    cut = _signed_rank_cut(count, (1 - CONFIDENCE) / 2)
    interval = None if cut < 1 else (math.exp(averages[cut - 1]), math.exp(averages[-cut]))
    return Ratio(value=math.exp(np.median(averages)), interval=interval, pairs=count)


def unpaired_ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Ratio:
    """Ratio of two subjects measured apart, from times that stand for each as it wandered.

    The Hodges-Lehmann estimate of the shift between log times, with the interval that inverts the rank-sum
    test (Mann and Whitney, Ann. Math. Stat. 18, 1947). What differed between the two occasions is in it.

    Raises:
        ValueError: no times, or one that is not positive.
    """
    over, under = np.asarray(numerators, dtype=np.float64), np.asarray(denominators, dtype=np.float64)
    if min(len(over), len(under)) == 0 or min(over.min(), under.min()) <= 0:
        raise ValueError(f"{len(over)} and {len(under)} times do not compare")
    shifts = np.sort((np.log(over)[:, None] - np.log(under)[None, :]).ravel())
    cut = _rank_sum_cut(len(over), len(under), (1 - CONFIDENCE) / 2)
    interval = None if cut < 1 else (math.exp(shifts[cut - 1]), math.exp(shifts[-cut]))
    return Ratio(value=math.exp(np.median(shifts)), interval=interval, pairs=min(len(over), len(under)))


@dataclass(frozen=True)
class Stability:
    """Whether a subject's blocks tell one story.

    Attributes:
        stable: no reason was found to distrust the run.
        reasons: what was found, as sentences.
        null_ratio: the subject against itself, its blocks dealt out in the order A B B A as if to two: it
            should be 1.
        drift_percent: median of the later half of the blocks over that of the earlier, minus 1.
        spread_percent: interquartile range of the block medians over their median.
    """

    stable: bool
    reasons: tuple[str, ...]
    null_ratio: Ratio
    drift_percent: float
    spread_percent: float

    def to_json(self) -> dict[str, Any]:
        """The verdict as a JSON object."""
        return asdict(self)


def judge_stability(block_medians: Sequence[float], *, warm: bool = True) -> Stability:
    """Judge a run by the medians of one subject's blocks, in the order they ran.

    Args:
        block_medians: two or more.
        warm: whether warm-up had ended because the latencies were level.

    Raises:
        ValueError: fewer than two blocks.
    """
    medians = np.asarray(block_medians, dtype=np.float64)
    if len(medians) < 2:
        raise ValueError("stability needs at least two blocks")
    half = len(medians) // 2
    dealt = [(2 * pair + pair % 2, 2 * pair + 1 - pair % 2) for pair in range(half)]
    null_ratio = paired_ratio([medians[a] for a, _ in dealt], [medians[b] for _, b in dealt])
    drift = 100 * float(np.median(medians[-half:]) / np.median(medians[:half]) - 1)
    lower, upper = np.quantile(medians, [0.25, 0.75])
    spread = 100 * float((upper - lower) / np.median(medians))
    reasons = [] if warm else ["warm-up ended before the latencies were level"]
    if null_ratio.interval is None:
        reasons.append(f"{len(medians)} blocks are too few to tell; measure longer")
    else:
        low, high = (100 * (bound - 1) for bound in null_ratio.interval)
        if low > NULL_LIMIT_PERCENT or high < -NULL_LIMIT_PERCENT:
            reasons.append(f"against itself it differs by {low:+.1f} to {high:+.1f} %")
    if abs(drift) > DRIFT_LIMIT_PERCENT:
        reasons.append(f"the later half of the blocks is {drift:+.1f} % off the earlier")
    if spread > SPREAD_LIMIT_PERCENT:
        reasons.append(f"the middle half of the blocks spreads over {spread:.1f} %")
    return Stability(not reasons, tuple(reasons), null_ratio, drift, spread)


def _allowed_beyond(count: int, share: float, risk: float) -> int:
    """Largest r with P(Binomial(count, share) <= r) <= risk, -1 when even r = 0 is too likely."""
    k = np.arange(count, dtype=np.float64)
    log_steps = np.log((count - k) / (k + 1)) + math.log(share / (1 - share))
    log_mass = count * math.log1p(-share) + np.concatenate([[0.0], np.cumsum(log_steps)])
    return int(np.searchsorted(np.cumsum(np.exp(log_mass)), risk, side="right")) - 1


def _signed_rank_cut(count: int, risk: float) -> int:
    """Largest c with P(T <= c - 1) <= risk for Wilcoxon's signed-rank statistic T of ``count`` pairs."""
    if count > _EXACT_BLOCKS:
        deviation = math.sqrt(count * (count + 1) * (2 * count + 1) / 24)
        return math.floor(count * (count + 1) / 4 + NormalDist().inv_cdf(risk) * deviation)
    mass = np.ones(1)
    for rank in range(1, count + 1):
        shifted = np.concatenate([np.zeros(rank), mass])
        mass = (np.concatenate([mass, np.zeros(rank)]) + shifted) / 2
    return int(np.searchsorted(np.cumsum(mass), risk, side="right"))


def _rank_sum_cut(first: int, second: int, risk: float) -> int:
    """Largest c with P(U <= c - 1) <= risk for the rank-sum statistic U of so many times each."""
    ways = np.zeros((first + 1, first * second + first * (first + 1) // 2 + 1))
    ways[0, 0] = 1  # [chosen, sum of their ranks]
    for rank in range(1, first + second + 1):
        ways[1:, rank:] += ways[:-1, : ways.shape[1] - rank]
    mass = ways[first, first * (first + 1) // 2 :] / math.comb(first + second, first)
    return int(np.searchsorted(np.cumsum(mass), risk, side="right"))
