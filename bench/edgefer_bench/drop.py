"""What an engine lost against its reference on the same images: the accuracy drop and its company.

A drop near zero can hide an engine that disagrees everywhere by chance, so the flips, the exact test
and the shift of confidence are told with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer_bench.figures import calibration_error, var_paper, var_poses
from edgefer_bench.groups import Bools, Floats, Rate, checked, grouped
from edgefer_bench.intervals import Interval, mcnemar, mover, subject_interval, tango


@dataclass(frozen=True)
class Change:
    """A figure of the reference, and the same figure of the engine."""

    before: float
    after: float


@dataclass(frozen=True)
class Drop:
    """Accuracy of the reference minus the engine's; positive means that the engine is worse.

    Attributes:
        images: faces both predicted.
        points: the drop in percentage points.
        interval: 95 % score interval for paired proportions (Tango), images taken as drawn one by one.
        subject_interval: 95 % paired bootstrap interval over subjects; None when subjects are unnamed or
            fewer than five.
        lost: faces that only the reference has right.
        won: faces that only the engine has right.
        mcnemar_p: exact p-value that losses and wins are equally likely.
        flips: percent of faces whose predicted class changed.
        confidence_shift: the engine's mean confidence minus the reference's, in points.
        calibration_error: expected calibration error in percent (:mod:`edgefer_bench.figures`).
        var_paper, var_poses: Var over the yaws or, without yaws, the poses; None without either.
        per_class: drop of each class's recall; likewise of the accuracy ``per_yaw`` (degrees) and
            ``per_occlusion``, empty where the attribute is missing.
        profile_excess: drop of the faces that are turned furthest minus the drop of the most frontal ones:
            positive where the engine costs profile views more. None without yaws, or with one alone.
    """

    images: int
    points: float
    interval: Interval
    subject_interval: Interval | None
    lost: int
    won: int
    mcnemar_p: float
    flips: float
    confidence_shift: float
    calibration_error: Change
    var_paper: Change | None
    var_poses: Change | None
    per_class: Mapping[str, Rate]
    per_yaw: Mapping[str, Rate]
    per_occlusion: Mapping[str, Rate]
    profile_excess: Rate | None

    def to_json(self) -> dict[str, Any]:
        """The drop as a JSON object."""
        return asdict(self)


def accuracy_drop(
    reference_probabilities: Floats,
    probabilities: Floats,
    labels: NDArray[np.integer],
    *,
    classes: Sequence[str] | None = None,
    attributes: Mapping[str, NDArray[np.generic]] | None = None,
) -> Drop:
    """Compare an engine with its reference, image by image.

    Args:
        reference_probabilities: N x K, of the float network or engine.
        probabilities: N x K, of the engine, same faces and classes in the same order.
        labels: N, class indices.
        classes: K class names; without them ``per_class`` is keyed by index.
        attributes: arrays of length N; ``subject``, ``yaw``, ``pose`` and ``occlusion`` are used.

    Raises:
        DataError: no faces, or arrays whose shapes or labels do not fit each other.
        CheckError: a probability is not a finite number.
    """
    names = np.arange(reference_probabilities.shape[-1]) if classes is None else np.asarray(classes)
    checked(reference_probabilities, labels, len(names))
    checked(probabilities, labels, len(names))
    attributes = attributes or {}
    before, after = reference_probabilities.argmax(axis=1), probabilities.argmax(axis=1)
    right_before, right_after = before == labels, after == labels
    lost, won = right_before & ~right_after, ~right_before & right_after
    yaws = attributes.get("yaw")

    def drop(chosen: Bools) -> Rate:
        n, b, c = int(chosen.sum()), int(lost[chosen].sum()), int(won[chosen].sum())
        low, high = tango(b, c, n)
        return Rate(100 * (b - c) / n, (100 * low, 100 * high), n)

    overall = drop(np.ones(len(labels), dtype=np.bool_))
    accuracies = [100 * float(hits.mean()) for hits in (right_before, right_after)]
    by_pose = [_pose_accuracies(hits, attributes) for hits in (right_before, right_after)]
    subjects = attributes.get("subject")
    difference = 100 * (lost.astype(np.int64) - won.astype(np.int64))
    confidence = probabilities.max(axis=1).mean(dtype=np.float64)
    reference_confidence = reference_probabilities.max(axis=1).mean(dtype=np.float64)
    return Drop(
        images=overall.images,
        points=overall.value,
        interval=overall.interval,
        subject_interval=None if subjects is None else subject_interval(difference, subjects),
        lost=int(lost.sum()),
        won=int(won.sum()),
        mcnemar_p=mcnemar(int(lost.sum()), int(won.sum())),
        flips=100 * float((before != after).mean()),
        confidence_shift=100 * float(confidence - reference_confidence),
        calibration_error=Change(
            calibration_error(reference_probabilities, labels), calibration_error(probabilities, labels)
        ),
        var_paper=Change(*map(var_paper, by_pose, accuracies)) if all(by_pose) else None,
        var_poses=Change(*map(var_poses, by_pose)) if all(by_pose) else None,
        per_class={str(names[int(index)]): rate for index, rate in grouped(labels, drop).items()},
        per_yaw=grouped(yaws, drop),
        per_occlusion=grouped(attributes.get("occlusion"), drop),
        profile_excess=_profile_excess(yaws, drop),
    )


def _pose_accuracies(hits: Bools, attributes: Mapping[str, NDArray[np.generic]]) -> list[float]:
    """Accuracy in percent of each yaw or, without yaws, each pose."""

    def accuracy(chosen: Bools) -> float:
        return 100 * float(hits[chosen].mean())

    by_yaw = grouped(attributes.get("yaw"), accuracy)
    return [*(by_yaw or grouped(attributes.get("pose"), accuracy)).values()]


def _profile_excess(yaws: NDArray[np.generic] | None, drop: Callable[[Bools], Rate]) -> Rate | None:
    if yaws is None or yaws.dtype.kind not in "iuf":
        return None
    turned = np.abs(yaws.astype(np.float64))
    near, far = np.nanmin(turned, initial=np.inf), np.nanmax(turned, initial=-np.inf)
    if not near < far:
        return None
    frontal, profile = drop(turned == near), drop(turned == far)
    return Rate(
        profile.value - frontal.value,
        mover(profile.value, profile.interval, frontal.value, frontal.interval),
        profile.images + frontal.images,
    )
