"""Objectives: what a training minimises, one file for each kind of loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from edgefer.models import ModelSpec
    from edgefer.training.checkpoint import Checkpoint
    from edgefer.training.objectives.base import Objective

__all__ = ["make_objective"]


def make_objective(
    spec: ModelSpec, network: nn.Module, classes: Sequence[str], *, teacher: Checkpoint | None = None
) -> Objective:
    """The loss that ``spec``'s paper trains its network with.

    Args:
        spec: the model.
        network: its network; becomes ``objective.network``.
        classes: class names in the order of the network's outputs.
        teacher: a network to learn from beside the labels.

    Raises:
        DataError: the teacher knows other classes.
    """
    from edgefer.training.objectives.base import CrossEntropy
    from edgefer.training.objectives.dsan import FeatureRecalibration
    from edgefer.training.objectives.gmslpa import GlobalAndLocal
    from edgefer.training.objectives.teacher import Teacher

    opinion = None if teacher is None else Teacher(teacher, classes)
    if spec.name == "dsan":
        return FeatureRecalibration(network, len(classes), opinion)
    if spec.name == "gmslpa":
        return GlobalAndLocal(network, spec.output, opinion)
    return CrossEntropy(network, spec.output, opinion)
