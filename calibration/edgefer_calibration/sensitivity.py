"""Which modules INT8 hurts: each is quantized alone, and the network's answers are compared with float's.

Errors of different modules add up roughly, since they are small and know nothing of each other, so what each
costs alone tells which to leave in float together. A few dozen faces are enough to rank them: every answer
counts, not only those few that change their class.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer_calibration.modules import Module

Floats = NDArray[np.floating[Any]]

ErrorOf = Callable[[Sequence[Module]], "Error"]
"""The error of the engine that computes these modules in INT8 and all the others in float."""


@dataclass(frozen=True)
class Error:
    """How far an engine's probabilities are from the float network's on the same faces.

    Attributes:
        sqnr_db: signal to quantization noise ratio, in decibels; None when nothing differs.
        kl: mean Kullback-Leibler divergence of the engine's from the float network's, in nats.
        flips: percent of the faces whose class differs.
    """

    sqnr_db: float | None
    kl: float
    flips: float


@dataclass(frozen=True)
class Sensitivity:
    """What quantizing one module, and nothing else, costs."""

    module: Module
    error: Error


def error_of(reference: Floats, found: Floats) -> Error:
    """Compare probabilities, N x K each."""
    before, after = reference.astype(np.float64), found.astype(np.float64)
    noise = float(((before - after) ** 2).sum())
    tiny = np.finfo(np.float32).tiny
    divergence = before * (np.log(np.maximum(before, tiny)) - np.log(np.maximum(after, tiny)))
    return Error(
        sqnr_db=10 * math.log10(float((before**2).sum()) / noise) if noise else None,
        kl=max(float(divergence.sum(axis=1).mean()), 0.0),
        flips=100 * float((before.argmax(axis=1) != after.argmax(axis=1)).mean()),
    )


def rank_modules(modules: Sequence[Module], error: ErrorOf) -> list[Sensitivity]:
    """Quantize each module alone, all the others in float.

    Args:
        modules: of :func:`edgefer_calibration.modules.quantized_modules`.
        error: builds the engine and asks it.

    Returns:
        One entry a module, the worst divergence first.
    """
    found = [Sensitivity(module, error([module])) for module in modules]
    return sorted(found, key=lambda entry: -entry.error.kl)
