"""Shared by metrics and drop: a value with its interval, grouping by an attribute, input checks."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgefer_bench.intervals import Interval, wilson
from edgefer_runtime.errors import CheckError, DataError

Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]
Result = TypeVar("Result")

BEYOND = re.compile(r">(\d+(?:\.\d+)?)")
"""A group of all faces that are turned further than so many degrees."""

UNGROUPED = ("", "all", "unlisted")
"""Values that put a face into no group: the lists behind the attribute do not name it."""


@dataclass(frozen=True)
class Rate:
    """A share in percent, or a difference of shares in points, over ``images`` faces.

    Attributes:
        value: the share or difference.
        interval: its 95 % interval, images taken as drawn one by one.
        images: faces behind it.
    """

    value: float
    interval: Interval
    images: int

    @classmethod
    def of(cls, hits: Bools) -> Rate:
        """The share of hits, with Wilson's interval."""
        low, high = wilson(int(hits.sum()), len(hits))
        return cls(100 * float(hits.mean()), (100 * low, 100 * high), len(hits))


def grouped(values: NDArray[np.generic] | None, result: Callable[[Bools], Result]) -> dict[str, Result]:
    """``result`` of each group of faces that share a value, in the order of the values.

    Words may name groups of which one lies in another, as the pose subsets of RAN do: a face of ``>45`` is
    one of ``>30`` as well. A face of ``all``, ``unlisted`` or NaN is in no group.

    Args:
        values: numbers or words, one an image, shape N; None gives no groups.
        result: takes the mask (bool, N) of a group's faces.
    """
    if values is None:
        return {}
    if values.dtype.kind in "iuf":
        return {f"{value:g}": result(values == value) for value in np.unique(values) if value == value}
    words = [str(word) for word in np.unique(values) if str(word) not in UNGROUPED]
    limits = {word: float(found[1]) for word in words if (found := BEYOND.fullmatch(word))}
    groups = {}
    for word in sorted(words, key=lambda word: (limits.get(word, -1), word)):
        within = [each for each in limits if word in limits and limits[each] > limits[word]]
        groups[word] = result(np.isin(values, [word, *within]))
    return groups


def checked(probabilities: Floats, labels: NDArray[np.integer], classes: int) -> None:
    """Refuse predictions and labels that cannot be compared.

    Raises:
        DataError: no faces, or shapes or labels that do not fit.
        CheckError: a probability is not a finite number.
    """
    if len(labels) == 0:
        raise DataError(
            "no faces to evaluate", expected="at least one", action="choose a set or split with faces"
        )
    if probabilities.shape != (len(labels), classes):
        raise DataError(
            f"predictions of shape {probabilities.shape} for {len(labels)} faces and {classes} classes",
            expected=f"({len(labels)}, {classes})",
            action="evaluate the network on a set with the classes that it was trained on",
        )
    if not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise DataError(f"labels {labels.min()}..{labels.max()}", expected=f"0..{classes - 1}")
    broken = int((~np.isfinite(probabilities)).any(axis=1).sum())
    if broken:
        raise CheckError(
            f"{broken} of {len(labels)} predictions hold a value that is no finite number",
            expected="probabilities",
            action="look for an overflow: compare with the fp32 engine",
        )
