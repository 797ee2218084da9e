"""Which images to calibrate on, and in which order.

A strategy gives an order of which any beginning is as good a set as the whole: what it gives for 100 images
is the beginning of what it gives for 300. The same arguments give the same order on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.errors import DataError, UsageError
from edgefer_runtime.suggestions import unknown

Indices = NDArray[np.int64]

VIEW_DEGREES = 45
"""Yaws count as the nearest multiple of this: profile, half profile and front."""


@dataclass(frozen=True)
class Candidates:
    """What a strategy may know of the images it chooses from.

    Attributes:
        name: the set's, for messages.
        total: N, how many there are.
        labels: int64, N, indices into ``classes``; None for pictures without labels.
        classes: K class names.
        yaws: N, degrees; None where they are unknown.
        features: float32, N x D, what the network's last layer is given; None where nobody needs them.
    """

    name: str
    total: int
    labels: NDArray[np.int64] | None = None
    classes: tuple[str, ...] = ()
    yaws: NDArray[np.generic] | None = None
    features: NDArray[np.float32] | None = None


def choose(strategy: str, candidates: Candidates, count: int, seed: int = 0) -> Indices:
    """The positions of ``count`` images, none twice, in the order in which to use them.

    Args:
        strategy: one of :data:`STRATEGIES`.
        candidates: what to choose from.
        count: how many.
        seed: which of the equally good choices.

    Raises:
        UsageError: no such strategy.
        DataError: too few images, or the set does not tell what the strategy balances.
    """
    require_strategy(strategy)
    if not 0 < count <= candidates.total:
        raise DataError(
            f"{candidates.name}: {candidates.total} images to draw {count} from",
            expected=f"at least {max(count, 1)}",
            action="ask for fewer images or give a larger set",
        )
    return STRATEGIES[strategy](candidates, count, seed).astype(np.int64)


def without_network() -> UsageError:
    """The error for strategy ``diverse`` without features to go by."""
    return UsageError(
        "strategy 'diverse' without a network", expected="the model whose features tell images apart"
    )


def require_strategy(name: str) -> None:
    """Raise unless there is a strategy called ``name``.

    Raises:
        UsageError: there is none.
    """
    if name not in STRATEGIES:
        raise unknown("calibration strategy", name, STRATEGIES)


def _random(candidates: Candidates, count: int, seed: int) -> Indices:
    return np.random.default_rng(seed).permutation(candidates.total)[:count]


def _class_balanced(candidates: Candidates, count: int, seed: int) -> Indices:
    labels = _labels(candidates)
    groups = {name: labels == label for label, name in enumerate(candidates.classes)}
    return _in_turn(groups, candidates.name, count, seed)


def _pose_balanced(candidates: Candidates, count: int, seed: int) -> Indices:
    """Every class from every side, in an order that is balanced in class, in yaw and in both together.

    Pair j is class j mod K from side (j + j // L) mod Y, where L is the least common multiple of K and Y:
    K * Y of them in a row are all pairs, and both classes and sides go round on the way.
    """
    labels = _labels(candidates)
    if candidates.yaws is None:
        raise DataError(
            f"{candidates.name} does not tell its faces' yaws",
            expected="a set with yaws, such as synthfer or kdef",
            action="choose --strategy class",
        )
    views = np.round(candidates.yaws.astype(np.float64) / VIEW_DEGREES).astype(np.int64) * VIEW_DEGREES
    sides = np.unique(views)
    classes, common = len(candidates.classes), math.lcm(len(candidates.classes), len(sides))
    groups = {}
    for turn in range(classes * len(sides)):
        label, side = turn % classes, sides[(turn + turn // common) % len(sides)]
        groups[f"{candidates.classes[label]} at {side:+d}°"] = (labels == label) & (views == side)
    return _in_turn(groups, candidates.name, count, seed)


def _diverse(candidates: Candidates, count: int, seed: int) -> Indices:
    """k-centre greedy: each image is the one farthest from all before it.

    T. F. Gonzalez, "Clustering to minimize the maximum intercluster distance", 1985; on features of the
    network as in O. Sener, S. Savarese, "Active learning for convolutional neural networks: a core-set
    approach", 2018. The seed chooses the first.
    """
    if candidates.features is None:
        raise without_network()
    features = candidates.features
    chosen = [int(np.random.default_rng(seed).integers(candidates.total))]
    nearest = np.full(candidates.total, np.inf, np.float32)
    while len(chosen) < count:
        distances = np.square(features - features[chosen[-1]]).sum(axis=1)
        nearest = np.minimum(nearest, distances)
        nearest[chosen[-1]] = -1  # Never again, even where all others have the same features.
        chosen.append(int(nearest.argmax()))
    return np.array(chosen)


def _spread(candidates: Candidates, count: int, seed: int) -> Indices:
    """Evenly over the pictures in their order, which for frames is time: neighbours look alike.

    Van der Corput's sequence, scrambled: the next picture comes from the half, the quarter and so on that had
    fewer; where both had as many, from either by chance, so that it keeps step with nothing, such as two
    cameras that take turns. A. B. Owen, "Randomly permuted (t,m,s)-nets and (t,s)-sequences", 1995.
    """
    generator = np.random.default_rng(seed)
    bits = (candidates.total - 1).bit_length()
    turns = np.arange(1 << bits)
    positions = np.zeros_like(turns)
    for level in range(bits):
        first_half = generator.integers(2, size=1 << level)
        positions = positions << 1 | (turns >> level & 1) ^ first_half[turns & (1 << level) - 1]
    return positions[positions < candidates.total][:count]


def _labels(candidates: Candidates) -> NDArray[np.int64]:
    if candidates.labels is None:
        raise DataError(
            f"{candidates.name} holds pictures without labels",
            expected="labels, of which as many of each are drawn",
            action="choose --strategy folder, random or diverse",
        )
    return candidates.labels


def _in_turn(groups: Mapping[str, NDArray[np.bool_]], name: str, count: int, seed: int) -> Indices:
    """One image of each group after another, round and round, in a random order within each group."""
    generator = np.random.default_rng(seed)
    queues = [generator.permutation(np.flatnonzero(members)) for members in groups.values()]
    wanted = [len(range(turn, count, len(groups))) for turn in range(len(groups))]
    short = [
        f"{group}: {len(queue)} of {want}"
        for group, queue, want in zip(groups, queues, wanted, strict=True)
        if len(queue) < want
    ]
    if short:
        raise DataError(
            f"{name}: too few images for {count} in {len(groups)} groups ({'; '.join(short)})",
            expected="as many images of each",
            action="ask for fewer images, add images of these, or choose --strategy random",
        )
    return np.array([queues[turn % len(groups)][turn // len(groups)] for turn in range(count)])


Strategy = Callable[[Candidates, int, int], Indices]

STRATEGIES: Mapping[str, Strategy] = {
    "random": _random,
    "class": _class_balanced,
    "pose": _pose_balanced,
    "diverse": _diverse,
    "folder": _spread,
}
"""Name -> how: any images; as many of each class; as many of each class from each side; as different as can
be in the network's eyes; spread over a folder of frames."""

BALANCED = ("class", "pose")
"""Strategies that promise as many images of each class."""
