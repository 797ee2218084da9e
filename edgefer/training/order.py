"""Whether a network answers for each face alone: sorted, shuffled and one by one, it must say the same.

A network that lets the faces of a batch see each other is told the answer when a test set is sorted by
class. So are the published accuracies of PAtt-Lite's attention (its variant ``batch`` computes them).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from edgefer_runtime.errors import CheckError

FACES = 32
"""Faces that are enough to notice."""

BATCH = 8
"""Faces at once, when they are not computed one by one."""

LIMIT = 1e-4
"""Probabilities may differ by this: what float32 loses when another batch is summed in another order."""

Answer = Callable[[NDArray[np.intp], int], NDArray[np.float32]]
"""Called as ``answer(chosen, batch_size)`` for the probabilities, M x K, of the faces at these indices."""


@dataclass(frozen=True)
class OrderCheck:
    """What was found: the largest difference between a face's probabilities in two orders."""

    images: int
    largest_difference: float


def check_order(
    answer: Answer, labels: NDArray[np.integer], name: str, *, everything: bool = False
) -> OrderCheck:
    """Ask for the same faces sorted by class, shuffled, and one by one.

    Args:
        answer: the network.
        labels: N, what faces are sorted by.
        name: of the network, for the message.
        everything: take all faces, and not a few evenly spread ones.

    Raises:
        CheckError: a face's probabilities depend on the order.
    """
    count = len(labels) if everything else min(FACES, len(labels))
    chosen = np.linspace(0, len(labels) - 1, count).round().astype(np.intp)
    by_class = np.argsort(labels[chosen], kind="stable")
    shuffled = np.random.default_rng(0).permutation(count)
    answers = []
    # TF32 rounds differently in every kernel, and kernels are chosen by batch size.
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        for order, batch_size in ((by_class, BATCH), (shuffled, BATCH), (np.arange(count), 1)):
            answers.append(answer(chosen[order], batch_size)[np.argsort(order)])
    largest = float(np.ptp(answers, axis=0).max())
    if not largest <= LIMIT:
        raise CheckError(
            f"{name} does not answer for each face alone: sorted by class, shuffled, and one by one, "
            f"probabilities of the same faces differ by up to {largest:.2g}",
            expected=f"at most {LIMIT:g}",
            action="its accuracy depends on which faces share a batch, so it has none: train another variant",
        )
    return OrderCheck(count, largest)
