"""Finds the float islands of one target's INT8 engine, within a time, on validation faces."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgefer.data.faceset import FaceSet
from edgefer.pipeline import Report
from edgefer.pipeline.candidates import Candidates
from edgefer.pipeline.island_timing import Timed, fastest, float_modules_of, time_trials
from edgefer_bench.drop import Drop, accuracy_drop
from edgefer_bench.intervals import tango
from edgefer_runtime.errors import BudgetError

if TYPE_CHECKING:
    from edgefer_calibration.budget import Trial
    from edgefer_calibration.modules import Module
    from edgefer_calibration.sensitivity import Error

RANKED_FACES = 64
"""Validation faces that modules are ranked on, and on which hopeless candidates end: every answer to each
counts, so few are enough."""

POWER_CONFIDENCE = 0.995
"""Of the interval that a choice has to keep: the judgement asks for 1.96 standard errors, and with 0.84 more
of them it turns out well four times in five."""

FLOAT_SHARE = 0.25
"""Of the convolutions' weights that may be float; the checks of an export call no engine int8 with more."""

SEARCHING = 0.85
"""Of the time; the rest is for timing what was found."""


@dataclass(frozen=True)
class Islands:
    """What a search found.

    Attributes:
        chosen: the fastest that keeps the budget; None if none does.
        best: the chosen one, or the one nearest to the budget.
        float_modules: what :func:`edgefer_calibration.quantize` is to leave in float for ``best``.
        finished: whether the search came to its end in time.
        front: what was tried and timed, the fastest first.
        effort: ``validation`` and ``images``, the faces' name and number; ``engines`` asked; ``took_s`` of
            this run; ``timed_in``, the library, which stands in for a target that cannot run here.
    """

    chosen: Trial | None
    best: Trial
    float_modules: tuple[str, ...]
    finished: bool
    front: tuple[Timed, ...]
    effort: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """What a bundle's manifest tells of the search."""
        return {
            "float_modules": [*self.best.float_modules],
            "front": [timed.to_json(self.chosen) for timed in self.front],
            **self.effort,
        }


def find_islands(
    candidates: Candidates,
    validation: FaceSet,
    *,
    max_drop: float,
    judged: int,
    time_s: float,
    journal: Path,
    on_progress: Report,
) -> Islands:
    """Rank the modules, search, and time what was tried.

    Args:
        candidates: builds the engines.
        validation: labelled faces.
        max_drop: the budget, in points.
        judged: faces that the choice will be judged on.
        time_s: for all of it; a step begun is finished.
        journal: file in which every answer is kept, so that the same search goes on there.
        on_progress: told the seconds spent.

    Raises:
        BudgetError: time was up before the modules were ranked.
    """
    from edgefer_calibration.budget import search
    from edgefer_calibration.sensitivity import rank_modules

    hunt = _Hunt(candidates, validation, max_drop, judged, time_s, journal, on_progress)
    found = search(
        rank_modules(hunt.modules, hunt.error),
        hunt.attempt,
        max_drop=max_drop,
        most_weights=_most_weights(candidates, hunt.modules),
        in_time=hunt.in_time,
    )
    named = {module.name: module for module in hunt.modules}
    timed = time_trials(
        candidates,
        named,
        found,
        validation,
        max_drop=max_drop,
        duration_s=(1 - SEARCHING) * time_s,
    )
    chosen = found.kept
    if chosen is not None and not candidates.target.stand_in:
        chosen = fastest(timed, chosen, max_drop)
    best = chosen or found.best
    return Islands(
        chosen=chosen,
        best=best,
        float_modules=float_modules_of(best, named),
        finished=found.finished,
        front=tuple(timed),
        effort={
            "validation": validation.name,
            "images": len(validation),
            "engines": len(found.trials) + len(hunt.modules),
            "took_s": hunt.elapsed_s(),
            "timed_in": candidates.target.stand_in or candidates.target.name,
        },
    )


def _most_weights(candidates: Candidates, modules: Sequence[Module]) -> int:
    """Weights of convolutions that may be float besides those that the recipe leaves so."""
    import onnx

    from edgefer_calibration.modules import float_weights

    already, total = float_weights(onnx.load(candidates.float_onnx), modules)
    return math.floor(FLOAT_SHARE * total) - already


class _Hunt:
    """What the search asks, answered by engines, or from the journal where they were asked before."""

    def __init__(
        self,
        candidates: Candidates,
        validation: FaceSet,
        max_drop: float,
        judged: int,
        time_s: float,
        journal: Path,
        on_progress: Report,
    ) -> None:
        from edgefer_calibration.journal import Journal

        self._candidates, self._validation = candidates, validation
        self._max_drop, self._judged = max_drop, judged
        self._time_s, self._on_progress = time_s, on_progress
        self._begin = time.monotonic()
        self.modules = candidates.modules()
        self._journal = Journal(journal, f"{candidates.key(validation)} {judged}")
        self._reference = candidates.answers(None, validation)
        few = min(RANKED_FACES, len(validation))
        self._picked = np.linspace(0, len(validation) - 1, few).astype(np.int64)
        self._few = validation.take(self._picked)

    def elapsed_s(self) -> float:
        return time.monotonic() - self._begin

    def in_time(self) -> bool:
        elapsed = self.elapsed_s()
        self._on_progress(
            f"{self._candidates.target.name}: float islands",
            min(round(elapsed), round(self._time_s)),
            round(self._time_s),
        )
        return elapsed < SEARCHING * self._time_s

    def error(self, quantized: Sequence[Module]) -> Error:
        """See :data:`edgefer_calibration.sensitivity.ErrorOf`."""
        from edgefer_calibration.sensitivity import Error, error_of

        def find_out() -> dict[str, Any]:
            if not self.in_time():
                raise BudgetError(
                    f"{self._time_s:g} s were over before the modules were ranked",
                    expected="time enough for a small engine of each module",
                    action="run it again, it goes on where it stopped; or give it more with --time-budget",
                )
            others = [module for module in self.modules if module not in quantized]
            found = self._candidates.answers(_names(others), self._few)
            return asdict(error_of(self._reference[self._picked], found))

        names = ", ".join(module.name for module in quantized)
        return Error(**self._journal.recall(f"only {names} in INT8", find_out))

    def attempt(self, islands: Sequence[Module]) -> Trial:
        """See :func:`edgefer_calibration.budget.search`."""
        from edgefer_calibration.budget import Trial
        from edgefer_calibration.sensitivity import error_of

        chosen = [module for module in self.modules if module in islands]

        def find_out() -> dict[str, Any]:
            run = self._candidates.open(_names(chosen))
            few = self._few, self._reference[self._picked]
            for faces, reference in (few, (self._validation, self._reference)):
                found = self._candidates.ask(run, faces)
                drop = accuracy_drop(reference, found, faces.labels)
                if is_hopeless(drop, self._max_drop):
                    break
            return {
                "points": drop.points,
                "upper": to_be_expected(drop, self._judged),
                "kl": error_of(reference, found).kl,
            }

        names = tuple(module.name for module in chosen)
        return Trial(names, **self._journal.recall(f"{', '.join(names) or 'nothing'} in float", find_out))


def to_be_expected(drop: Drop, judged: int) -> float:
    """The upper end, in points, that an engine's interval will reach on ``judged`` faces, four times in five.

    Its losses and gains are scaled to so many faces, and the interval is taken at :data:`POWER_CONFIDENCE`.
    """
    scale = judged / drop.images
    lost = math.ceil(scale * drop.lost)
    won = min(math.floor(scale * drop.won), judged - lost)
    return 100 * tango(lost, won, judged, POWER_CONFIDENCE)[1]


def is_hopeless(drop: Drop, max_drop: float) -> bool:
    """Whether so few faces tell already, nearly for certain, that an engine loses more than ``max_drop``."""
    return 100 * tango(drop.lost, drop.won, drop.images, POWER_CONFIDENCE)[0] > max_drop


def _names(modules: Sequence[Module]) -> list[str]:
    return [name for module in modules for name in module.float_modules]
