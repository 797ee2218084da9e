"""Confidence intervals for proportions and for paired differences of proportions.

Two questions hide behind "the accuracy is 84 %, give or take": give or take *other images* or *other
people*? Intervals over images (Wilson, Tango) take every image as drawn on its own. Faces come many
to a subject, though, and one subject's images stand or fall together, so how far a number carries to
new people is answered by :func:`subject_interval`, which is usually wider. Both are reported, by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Interval = tuple[float, float]

CONFIDENCE = 0.95
FEWEST_SUBJECTS = 5
RESAMPLES = 10_000
_SEED = 0  # a report rendered twice must not differ


def wilson(successes: int, trials: int, confidence: float = CONFIDENCE) -> Interval:
    """Score interval of a proportion, in 0..1 (Wilson 1927, J. Am. Stat. Assoc. 22).

    Raises:
        ValueError: no trials, or more successes than trials.
    """
    if not 0 <= successes <= trials or trials == 0:
        raise ValueError(f"{successes} successes in {trials} trials")
    z = _normal_quantile(confidence)
    share = successes / trials
    centre = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    # Rounding must not push the bound past the share itself when that is 0 or 1.
    return min(max(centre - half, 0.0), share), max(min(centre + half, 1.0), share)


def tango(only_first: int, only_second: int, pairs: int, confidence: float = CONFIDENCE) -> Interval:
    """Score interval of the difference of two paired proportions (Tango 1998, Stat. Med. 17, 891-908).

    Chosen over Wald and bootstrap intervals because it keeps its coverage when few pairs disagree, the
    usual case of an engine against its float twin, and because it does not shrink to nothing when none do.

    Args:
        only_first: pairs in which only the first of the two succeeds.
        only_second: pairs in which only the second does.
        pairs: all pairs.
        confidence: of the interval.

    Returns:
        Bounds on (first - second), in -1..1.

    Raises:
        ValueError: counts that do not fit each other.
    """
    if min(only_first, only_second) < 0 or only_first + only_second > pairs or pairs == 0:
        raise ValueError(f"{only_first} + {only_second} discordant of {pairs} pairs")
    z = _normal_quantile(confidence)
    difference = (only_first - only_second) / pairs

    def score(delta: float) -> float:
        """Tango's equation 5: standard normal under the hypothesis that the difference is ``delta``."""
        a = 2 * pairs
        b = (2 * pairs - only_first + only_second) * delta - only_first - only_second
        c = -only_second * delta * (1 - delta)
        nuisance = (math.sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
        variance = pairs * (2 * nuisance + delta * (1 - delta))
        distance = only_first - only_second - pairs * delta
        return distance / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, distance)

    lower = _bisect(lambda delta: score(delta) - z, -1.0, difference)
    upper = _bisect(lambda delta: score(delta) + z, difference, 1.0)
    return lower, upper


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided p-value that two paired proportions are equal (McNemar 1947, binomial form)."""
    discordant = only_first + only_second
    tail = sum(math.comb(discordant, k) for k in range(min(only_first, only_second) + 1))
    return min(1.0, 2 * tail / (1 << discordant))


def mover(first: float, first_interval: Interval, second: float, second_interval: Interval) -> Interval:
    """Interval of the difference of two independent estimates, from the interval of each.

    The method of variance estimates recovery (Zou and Donner 2008, Stat. Med. 27, 1693-1702), which keeps
    the skew of the two intervals.
    """
    difference = first - second
    lower = difference - math.hypot(first - first_interval[0], second_interval[1] - second)
    upper = difference + math.hypot(first_interval[1] - first, second - second_interval[0])
    return lower, upper


def subject_interval(
    values: NDArray[np.generic], subjects: NDArray[np.generic], confidence: float = CONFIDENCE
) -> Interval | None:
    """Bootstrap interval of a mean in which whole subjects are drawn, not images.

    Percentile bootstrap with the levels widened for a small number of subjects (Hesterberg 2015, The
    American Statistician 69, section 5.3.3, "expanded percentile"), seed fixed.

    Args:
        values: one number an image, shape N (hits, or differences of hits).
        subjects: whose image it is, shape N.
        confidence: of the interval.

    Returns:
        The bounds, or None with fewer than ``FEWEST_SUBJECTS`` subjects.
    """
    members, index = np.unique(subjects, return_inverse=True)
    count = len(members)
    if count < FEWEST_SUBJECTS:
        return None
    sums = np.bincount(index, weights=values.astype(np.float64), minlength=count)
    images = np.bincount(index, minlength=count)
    draws = np.random.default_rng(_SEED).multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    means = (draws @ sums) / (draws @ images)
    deviations = math.sqrt(count / (count - 1)) * _student_quantile(confidence, count - 1)
    tail = NormalDist().cdf(-deviations)
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def _normal_quantile(confidence: float) -> float:
    return NormalDist().inv_cdf((1 + confidence) / 2)


def _student_quantile(confidence: float, degrees: int) -> float:
    """Two-sided quantile of Student's t (Abramowitz and Stegun 26.7.5), within 1 % from 4 degrees on."""
    z = _normal_quantile(confidence)
    return (
        z
        + (z**3 + z) / (4 * degrees)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * degrees**3)
    )


def _bisect(falling: Callable[[float], float], low: float, high: float) -> float:
    """Where a falling function crosses zero between ``low`` and ``high``."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return (low + high) / 2
