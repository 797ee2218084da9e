"""The cheapest float islands with which INT8 keeps an accuracy budget.

Modules are put in the order of the error that they take away for the time that they cost, and the shortest
beginning of that order which keeps the budget is looked for: one module, two, four and so on, then by
bisection. What of it is not needed after all is quantized again. That takes about as many evaluations as the
number of modules has binary digits, and one more for each island; each is one Q/DQ graph written from ranges
known already, one engine, one pass over the validation faces.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgefer_calibration.modules import Module
from edgefer_calibration.sensitivity import Sensitivity

BORDER = 0.01
"""What the smallest island costs, as a share of the quantized layers' time: the casts on its borders."""


@dataclass(frozen=True)
class Trial:
    """One set of float islands, evaluated on the validation faces.

    Attributes:
        float_modules: names of the modules in float, in the network's order.
        points: the drop measured, in percentage points.
        upper: the drop that a judgement of it would not exceed, in points; see whoever evaluates.
        kl: mean divergence from the float network's answers, in nats.
    """

    float_modules: tuple[str, ...]
    points: float
    upper: float
    kl: float


@dataclass(frozen=True)
class Search:
    """How a search ended.

    Attributes:
        trials: every set that was evaluated, in turn, without islands first.
        kept: the cheapest that keeps the budget; None if none does.
        finished: whether the search came to its end before time was up.
    """

    trials: tuple[Trial, ...]
    kept: Trial | None
    finished: bool

    @property
    def best(self) -> Trial:
        """The set that keeps the budget, or comes nearest."""
        return self.kept or min(self.trials, key=lambda trial: (trial.upper, trial.kl))


def search(
    ranked: Sequence[Sensitivity],
    attempt: Callable[[Sequence[Module]], Trial],
    *,
    max_drop: float,
    most_weights: int,
    in_time: Callable[[], bool],
) -> Search:
    """Look for the cheapest float islands whose ``upper`` is at most ``max_drop``.

    Args:
        ranked: of :func:`edgefer_calibration.sensitivity.rank_modules`.
        attempt: evaluates the engine in which these modules are float.
        max_drop: the budget, in points.
        most_weights: of convolutions, how many may be float; beyond that it would be no INT8 engine.
        in_time: whether there is time for another attempt; the first is made in any case.
    """
    order = _affordable(sorted(ranked, key=_worth, reverse=True), most_weights)
    trials: list[Trial] = []

    def keeps(modules: Sequence[Module]) -> bool:
        trials.append(attempt(modules))
        return trials[-1].upper <= max_drop

    if keeps(()):
        return Search(tuple(trials), trials[0], finished=True)
    failed, count = 0, 1
    while failed < len(order):
        if not in_time():
            return Search(tuple(trials), None, finished=False)
        count = min(count, len(order))
        if keeps(order[:count]):
            break
        failed, count = count, 2 * count
    else:
        return Search(tuple(trials), None, finished=True)
    kept = trials[-1]
    while count - failed > 1 and in_time():
        middle = (failed + count) // 2
        if keeps(order[:middle]):
            count, kept = middle, trials[-1]
        else:
            failed = middle
    islands = order[:count]
    # The last one is needed: the beginning that ends before it was not enough.
    for module in sorted(islands[:-1], key=lambda module: -module.work):
        without = [other for other in islands if other is not module]
        if in_time() and keeps(without):
            islands, kept = without, trials[-1]
    return Search(tuple(trials), kept, finished=in_time())


def _worth(entry: Sensitivity) -> float:
    return entry.error.kl / (entry.module.work + BORDER)


def _affordable(order: Sequence[Sensitivity], most_weights: int) -> list[Module]:
    """Those that can be float together, each left out that would be one too many."""
    taken: list[Module] = []
    for entry in order:
        if sum(module.weights for module in (*taken, entry.module)) <= most_weights:
            taken.append(entry.module)
    return taken
