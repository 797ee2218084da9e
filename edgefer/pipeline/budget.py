"""`--max-drop`: INT8 whose accuracy drop is proven to stay within a budget, at the least cost in speed.

The plain engine is judged first, on the faces that count (`--data`). Only if it does not keep the budget are
float islands looked for, on other faces (`--validation`): picked on the judge's own faces they would be
picked for their luck with them. What was found is judged on `--data` once, by `edgefer export` itself. Those
two looks, at 2.5 % each, let an engine through that exceeds the budget in at most 5 of 100 cases.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from edgefer.data.faceset import FaceSet
from edgefer.pipeline import Report, counting, ignore
from edgefer.pipeline.candidates import Candidates
from edgefer.pipeline.islands import Islands, find_islands
from edgefer.pipeline.outline import Outline
from edgefer.pipeline.references import Answers
from edgefer_bench.drop import Drop, accuracy_drop
from edgefer_bench.intervals import tango
from edgefer_bench.scoring import CHUNK, check_classes
from edgefer_runtime.errors import BudgetError, UsageError

if TYPE_CHECKING:
    from edgefer_calibration import CalibrationSet, Quantized, Ranges

DEVIATIONS = 1.96
"""Standard errors to the end of a 95 % interval."""


@dataclass(frozen=True)
class Budget:
    """What `--max-drop` and its companions ask for.

    Attributes:
        max_drop: most points that the drop may be, at the upper end of its 95 % interval.
        time_s: for the search for one target, in seconds.
        judged: the faces that count.
        network: what the float network answers to these: N x K, columns as ``judged.classes``.
        validation: labelled faces for the search, none of ``judged``.
        classes: the network's, in the order of its outputs.
        folder: where each target's search is written down, as ``TARGET-int8.search.json``.
        on_progress: told how far things are.

    Raises:
        UsageError: both face sets have pictures in common.
        DataError: the classes of network and faces differ.
    """

    max_drop: float
    time_s: float
    judged: FaceSet
    network: Answers
    validation: FaceSet
    classes: Sequence[str]
    folder: Path
    on_progress: Report = ignore

    def __post_init__(self) -> None:
        if shared := len(_pictures(self.validation) & _pictures(self.judged)):
            raise UsageError(
                f"{shared:,} of the {len(self.validation):,} pictures in {self.validation.name}, on which "
                f"float islands are chosen, are in {self.judged.name}, too, on which they are judged",
                expected="other faces: chosen on the judge's own they would be chosen for their luck",
                action="name other labelled faces with --validation",
            )
        for faces in (self.judged, self.validation):
            check_classes(self.classes, Path("the network"), faces)

    def quantize(
        self,
        target: str,
        float_onnx: Path,
        calibration: CalibrationSet,
        out: Path,
        *,
        ranges: Ranges,
    ) -> Quantized:
        """:func:`edgefer_calibration.quantize`, with float islands where the budget needs them.

        Returns:
            The graph. Its recipe has a ``budget`` when islands were looked for: what the plain engine lost
            on ``judged``, and the front of what was tried.

        Raises:
            BudgetError: no islands keep the budget, or time was up; the message describes the best found.
        """
        from edgefer_export import targets

        with TemporaryDirectory(dir=out.parent) as folder:
            candidates = Candidates(
                targets.get(target), float_onnx, calibration, self.classes, Path(folder), ranges
            )
            advance = counting(self.on_progress, f"{target}: plain INT8", len(self.judged))
            plain = candidates.answers((), self.judged, advance)
            drop = accuracy_drop(self.network, plain, self.judged.labels)
            if drop.interval[1] <= self.max_drop:
                return candidates.quantize((), out)
            islands = find_islands(
                candidates,
                self.validation,
                max_drop=self.max_drop,
                judged=len(self.judged),
                time_s=self.time_s,
                journal=self.folder / f"{target}-int8.search.json",
                on_progress=self.on_progress,
            )
            if islands.chosen is None:
                raise self._exceeded(target, drop, islands)
            made = candidates.quantize(islands.float_modules, out)
        told = {"max_drop": self.max_drop, "plain": _brief(drop), **islands.to_json()}
        return replace(made, recipe={**made.recipe, "budget": told})

    def _exceeded(self, target: str, drop: Drop, islands: Islands) -> BudgetError:
        ended = "no float islands keep it" if islands.finished else "time was up before islands were found"
        tried = [
            f"  {timed.latency_ms:.2f} ms, {timed.speed.value:.2f} x float: {timed.trial.points:.2f} points, "
            f"to expect at most {timed.trial.upper:.2f}: {_named(timed.trial.float_modules)} in float"
            for timed in islands.front
        ]
        return BudgetError(
            f"{target} int8 {shortfall(_brief(drop), self.max_drop)} on {self.judged.name}; {ended}\n"
            f"best found: {_named(islands.best.float_modules)} in float; tried on {self.validation.name}:\n"
            + "\n".join(tried),
            expected=f"at most {self.max_drop:g} points at the upper end of the 95 % interval",
            action="allow more with --max-drop"
            if islands.finished
            else "run it again, it goes on where it stopped; or give it more with --time-budget",
        )


def _named(float_modules: Sequence[str]) -> str:
    return ", ".join(float_modules) or "nothing more"


def _pictures(faces: FaceSet) -> set[bytes]:
    """Hashes of the pictures."""
    chunks = (faces.images[start : start + CHUNK] for start in range(0, len(faces), CHUNK))
    return {hashlib.sha256(np.ascontiguousarray(image).data).digest() for chunk in chunks for image in chunk}


def require_provable(max_drop: float, faces: Outline) -> None:
    """Raise unless an engine that answers as the float one does would keep the budget on these faces.

    Raises:
        BudgetError: the faces are too few.
    """
    least = 100 * tango(0, 0, faces.images)[1]
    if least > max_drop:
        share = max_drop / 100
        enough = (
            f"{math.ceil(DEVIATIONS**2 * (1 - share) / share):,} faces" if share else "more than 0 points"
        )
        raise BudgetError(
            f"{faces.name}: {faces.images} faces prove no drop below {least:.2f} points, even if none "
            "changes",
            expected=f"--max-drop {max_drop:g} takes {enough}",
            action="name more faces with --data, or allow more with --max-drop",
        )


def shortfall(drop: Mapping[str, Any], max_drop: float) -> str:
    """How a drop, in its JSON form, misses the budget: it exceeds it, or is not proven to keep it."""
    points, (low, high) = drop["points"], drop["interval"]
    measured = f"loses {points:.2f} points [{low:.2f}, {high:.2f}]"
    if points >= max_drop:
        return f"{measured}, more than {max_drop:g}"
    counts, factor = (drop["lost"], drop["won"], drop["images"]), 1.0
    while 100 * tango(*(round(factor * count) for count in counts))[1] > max_drop:
        factor *= 1.01
    enough = _rounded(factor * drop["images"])
    return f"{measured}: within {max_drop:g}, but not proven; {enough} faces might prove it"


def _rounded(count: float) -> str:
    digits = max(len(str(math.ceil(count))) - 2, 0)
    return f"{math.ceil(count / 10**digits) * 10**digits:,}"


def _brief(drop: Drop) -> dict[str, Any]:
    return {name: drop.to_json()[name] for name in ("images", "points", "interval", "lost", "won")}
