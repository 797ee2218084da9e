"""Single figures that papers quote: Var, information density, expected calibration error."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import pvariance

import numpy as np
from numpy.typing import NDArray

from edgefer_bench.groups import Floats

CALIBRATION_BINS = 15


def var_paper(poses: Sequence[float], overall: float) -> float:
    """Var as LANMSFF's tables X to XII compute it: population variance of the per-pose accuracies *and*
    the overall accuracy as one more sample, all in percent. Comparable with published values only.
    """
    return pvariance([*poses, overall])


def var_poses(poses: Sequence[float]) -> float:
    """Population variance of the per-pose accuracies in percent: Var without the overall accuracy in it."""
    return pvariance(poses)


def information_density(accuracy: float, parameters: int) -> float:
    """Accuracy in percent per million trainable parameters (LANMSFF, section IV)."""
    return accuracy / (parameters / 1e6)


def calibration_error(
    probabilities: Floats, labels: NDArray[np.integer], bins: int = CALIBRATION_BINS
) -> float:
    """Expected calibration error of the predicted class, in percent (Guo et al. 2017, equation 3).

    The mean gap between confidence and accuracy over ``bins`` equal confidence ranges (low, high],
    weighted by the faces in each.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    gaps = (probabilities.argmax(axis=1) == labels) - confidence
    bin_of = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    return 100 * float(np.abs(np.bincount(bin_of, weights=gaps, minlength=bins)).sum()) / len(labels)
