"""In which order an epoch goes through the faces, and what each class weighs."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from edgefer.training.recipe import Stage

Indices = NDArray[np.int64]


def epoch_order(chosen: Indices, labels: NDArray[np.int64], stage: Stage, randomness: Generator) -> Indices:
    """The faces of one epoch, in order: as many as there are, times the stage's passes.

    Shuffled, each pass shows every face once. Balanced, every class has its equal share of the epoch, to
    one face, and within its class every face is shown equally often, to one time.

    Args:
        chosen: indices of the faces to learn from.
        labels: of all faces.
        stage: says how to sample, and how many passes.
        randomness: source of the order.
    """
    passes = stage.passes(len(chosen))
    if stage.sampling == "shuffled":
        return np.concatenate([randomness.permutation(chosen) for _ in range(passes)])
    groups = [chosen[labels[chosen] == label] for label in np.unique(labels[chosen])]
    # Which classes have the one face more is drawn, too.
    bounds = np.arange(len(groups) + 1) * (passes * len(chosen)) // len(groups)
    shares = randomness.permutation(np.diff(bounds))
    drawn = [_cycle(group, share, randomness) for group, share in zip(groups, shares, strict=True)]
    return randomness.permutation(np.concatenate(drawn))


def _cycle(faces: Indices, count: int, randomness: Generator) -> Indices:
    """``count`` of ``faces``, all of them equally often but for a last part of them."""
    passes = -(-count // len(faces))
    return np.concatenate([randomness.permutation(faces) for _ in range(passes)])[:count]


def balanced_weights(labels: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """faces / (classes * faces of the class) for each class, whose mean over the faces is one.

    Classes without faces weigh nothing and do not count.
    """
    counts = np.bincount(labels, minlength=classes)
    weights = len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1)) * (counts > 0)
    return weights.astype(np.float32)
