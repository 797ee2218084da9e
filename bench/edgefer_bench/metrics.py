"""What a network's predictions are worth on a face set. Shares are in percent throughout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer_bench.drop import Drop, accuracy_drop
from edgefer_bench.figures import calibration_error, information_density, var_paper, var_poses
from edgefer_bench.groups import Floats, Rate, checked, grouped
from edgefer_bench.intervals import Interval, subject_interval, wilson

__all__ = [
    "Drop",
    "Evaluation",
    "Rate",
    "accuracy_drop",
    "calibration_error",
    "evaluate",
    "information_density",
    "var_paper",
    "var_poses",
]


@dataclass(frozen=True)
class Evaluation:
    """Accuracy of one set of predictions, in percent, taken apart every way the attributes allow.

    Attributes:
        images: faces evaluated.
        classes: class names in the order of ``confusion``.
        accuracy: share of faces whose most probable class is the label.
        interval: 95 % Wilson interval of the accuracy, every image taken as drawn on its own.
        subjects: distinct subjects, None when the set does not name them.
        subject_interval: 95 % bootstrap interval over subjects, the one to quote for new people; None
            when subjects are unnamed or fewer than five.
        mean_recall: mean of the classes' recalls, not swayed by how many faces each has: what papers call
            the mean per-class accuracy.
        macro_f1: mean of the classes' F1, in percent.
        per_class: recall of each class that has faces; likewise accuracy ``per_yaw`` (degrees),
            ``per_pose``, ``per_occlusion`` and ``per_session``, empty where the attribute is missing.
        precision: share of each class's predictions that are right, for the classes that were predicted.
        f1: harmonic mean of precision and recall of each class that has faces, in percent.
        confusion: faces with true class (row) and predicted class (column), K x K.
        var_paper: :func:`var_paper` over the yaws or, without yaws, the poses; None without either.
        var_poses: :func:`var_poses` likewise.
        calibration_error: :func:`calibration_error`.
        confidence: mean probability of the predicted class.
        information_density: :func:`information_density`, None when the parameters are not known.
    """

    images: int
    classes: tuple[str, ...]
    accuracy: float
    interval: Interval
    subjects: int | None
    subject_interval: Interval | None
    mean_recall: float
    macro_f1: float
    per_class: Mapping[str, Rate]
    precision: Mapping[str, Rate]
    f1: Mapping[str, float]
    per_yaw: Mapping[str, Rate]
    per_pose: Mapping[str, Rate]
    per_occlusion: Mapping[str, Rate]
    per_session: Mapping[str, Rate]
    confusion: tuple[tuple[int, ...], ...]
    var_paper: float | None
    var_poses: float | None
    calibration_error: float
    confidence: float
    information_density: float | None

    def to_json(self) -> dict[str, Any]:
        """The evaluation as a JSON object; shares and intervals in percent."""
        return asdict(self)


def evaluate(
    probabilities: Floats,
    labels: NDArray[np.integer],
    *,
    classes: Sequence[str],
    attributes: Mapping[str, NDArray[np.generic]] | None = None,
    parameters: int | None = None,
) -> Evaluation:
    """Evaluate predictions against labels.

    Args:
        probabilities: N x K, columns in the order of ``classes``.
        labels: N, indices into ``classes``.
        classes: K class names.
        attributes: arrays of length N; ``subject``, ``yaw``, ``pose``, ``occlusion`` and ``session``
            are used.
        parameters: trainable parameters of the network, for the information density.

    Raises:
        DataError: no faces, or arrays whose shapes or labels do not fit each other.
        CheckError: a probability is not a finite number.
    """
    checked(probabilities, labels, len(classes))
    attributes = attributes or {}
    predicted = probabilities.argmax(axis=1)
    hits = predicted == labels
    accuracy = 100 * float(hits.mean())

    def rates(values: NDArray[np.generic] | None) -> dict[str, Rate]:
        return grouped(values, lambda chosen: Rate.of(hits[chosen]))

    confusion = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    faces_and_predictions = confusion.sum(axis=1) + confusion.sum(axis=0)
    f1 = {classes[k]: 200 * float(confusion[k, k] / faces_and_predictions[k]) for k in np.unique(labels)}
    per_class, precision = (
        {classes[int(index)]: rate for index, rate in rates(values).items()} for values in (labels, predicted)
    )
    per_yaw, per_pose = rates(attributes.get("yaw")), rates(attributes.get("pose"))
    poses = [rate.value for rate in (per_yaw or per_pose).values()]
    subjects = attributes.get("subject")
    over_subjects = None if subjects is None else subject_interval(100 * hits, subjects)
    low, high = wilson(int(hits.sum()), len(hits))
    return Evaluation(
        images=len(labels),
        classes=tuple(classes),
        accuracy=accuracy,
        interval=(100 * low, 100 * high),
        subjects=None if subjects is None else len(np.unique(subjects)),
        subject_interval=over_subjects,
        mean_recall=float(np.mean([rate.value for rate in per_class.values()])),
        macro_f1=float(np.mean([*f1.values()])),
        per_class=per_class,
        precision=precision,
        f1=f1,
        per_yaw=per_yaw,
        per_pose=per_pose,
        per_occlusion=rates(attributes.get("occlusion")),
        per_session=rates(attributes.get("session")),
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        var_paper=var_paper(poses, accuracy) if poses else None,
        var_poses=var_poses(poses) if poses else None,
        calibration_error=calibration_error(probabilities, labels),
        confidence=100 * float(probabilities.max(axis=1).mean()),
        information_density=None if parameters is None else information_density(accuracy, parameters),
    )
