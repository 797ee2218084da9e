"""What float islands cost in speed on this machine: candidates timed in turns with the float engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgefer.data.faceset import FaceSet
from edgefer.pipeline.candidates import Candidates
from edgefer_bench.statistics import Ratio, paired_ratio
from edgefer_bench.timing import block_medians
from edgefer_runtime.measuring import MeasureSettings, measure

if TYPE_CHECKING:
    from edgefer_calibration.budget import Search, Trial
    from edgefer_calibration.modules import Module

MOST_TIMED = 6
"""Candidates timed at most; the float engine comes on top."""

INPUTS = 64
BLOCK_CALLS = 10
LONGEST_S = 1.0
"""Of timing a candidate; it is a choice between a few, not a benchmark."""


@dataclass(frozen=True)
class Timed:
    """A candidate and its speed.

    Attributes:
        trial: what it loses.
        latency_ms: median of a call with one face, in milliseconds.
        speed: times as fast as the float engine.
        blocks_ms: medians of its blocks, which pair with the other candidates'.
    """

    trial: Trial
    latency_ms: float
    speed: Ratio
    blocks_ms: tuple[float, ...]

    def to_json(self, kept: Trial | None) -> dict[str, Any]:
        """A row of the accuracy-latency front."""
        return {
            "float_modules": [*self.trial.float_modules],
            "points": self.trial.points,
            "upper": self.trial.upper,
            "latency_ms": self.latency_ms,
            "speed": self.speed.to_json(),
            "chosen": self.trial == kept,
        }


def time_trials(
    candidates: Candidates,
    modules: Mapping[str, Module],
    search: Search,
    faces: FaceSet,
    *,
    max_drop: float,
    duration_s: float,
) -> list[Timed]:
    """Time what a search tried: the plain engine, what keeps the budget, and what comes nearest to it.

    Args:
        candidates: builds the engines.
        modules: by name.
        search: what was tried.
        faces: to rotate over.
        max_drop: the budget, in points.
        duration_s: of the whole, roughly.

    Returns:
        The fastest first.
    """
    order = sorted(
        {*search.trials[1:]}, key=lambda trial: (trial.upper > max_drop, abs(trial.upper - max_drop))
    )
    trials = [search.trials[0], *order][:MOST_TIMED]
    runs = {
        str(position): candidates.open(float_modules_of(trial, modules))
        for position, trial in enumerate(trials)
    }
    picked = np.linspace(0, len(faces) - 1, min(INPUTS, len(faces))).astype(np.int64)
    settings = MeasureSettings(
        duration_s=min(duration_s / (len(trials) + 1), LONGEST_S),
        block_calls=BLOCK_CALLS,
        min_warmup_calls=2 * BLOCK_CALLS,
        min_warmup_s=0.0,
        max_warmup_s=1.0,
        min_inputs=1,
    )
    inputs = [faces.images[index : index + 1] for index in picked]
    measured = measure({**runs, "float": candidates.open(None)}, inputs, settings)
    blocks = {name: [ns / 1e6 for ns in block_medians(samples)] for name, samples in measured.samples.items()}
    timed = [
        Timed(
            trial,
            float(np.median(blocks[str(position)])),
            paired_ratio(blocks["float"], blocks[str(position)]),
            tuple(blocks[str(position)]),
        )
        for position, trial in enumerate(trials)
    ]
    return sorted(timed, key=lambda entry: -entry.speed.value)


def fastest(timed: list[Timed], kept: Trial, max_drop: float) -> Trial:
    """``kept``, unless another that keeps the budget is faster by more than chance."""
    own = next(entry for entry in timed if entry.trial == kept)
    for entry in timed:
        if entry.trial.upper <= max_drop and entry is not own:
            interval = paired_ratio(own.blocks_ms, entry.blocks_ms).interval
            if interval is not None and interval[0] > 1:
                return entry.trial
    return kept


def float_modules_of(trial: Trial, modules: Mapping[str, Module]) -> tuple[str, ...]:
    """What :func:`edgefer_calibration.quantize` is to leave in float for a trial."""
    return tuple(name for island in trial.float_modules for name in modules[island].float_modules)
