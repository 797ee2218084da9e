"""DSAN's loss: feature recalibration by class centres in one branch, cross-entropy in the other.

Equation numbers are the paper's; see :mod:`edgefer.models.dsan`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgefer.models.dsan import ALPHA, WIDTH, Branches
from edgefer.training.objectives.base import Losses, Objective
from edgefer.training.objectives.teacher import Teacher


class FeatureRecalibration(Objective):
    """L = alpha (L_FR_CE + lambda 1 L_FR_C + lambda 2 L_CCS) + (1 - alpha) L_CE (Eq. 6 and 11).

    Attributes:
        centres: where each class gathers in feature space, K x 128; the last two terms alone move them.
    """

    def __init__(self, network: nn.Module, classes: int, teacher: Teacher | None = None) -> None:
        super().__init__(network, "probabilities", teacher)
        self.centres = nn.Parameter(nn.init.kaiming_normal_(torch.empty(classes, WIDTH)))

    def learn(self, images: Tensor, targets: Tensor) -> Losses:
        """The losses of a batch by its labels."""
        both = Branches(*(part.float() for part in self.network.branches(images)))  # type: ignore[operator]
        how = self.stage.centres
        recalibration = (
            self.cross_entropy(both.global_logits, targets)
            + how.compactness * compactness(both, targets, self.centres, detach_weight=how.detach_weight)
            + how.separation * separation(self.centres)
        )
        loss = ALPHA * recalibration + (1 - ALPHA) * self.cross_entropy(both.local_logits, targets)
        return Losses(loss, both.probabilities())


def compactness(both: Branches, targets: Tensor, centres: Tensor, *, detach_weight: bool) -> Tensor:
    """L_FR_C: squared distance of features from their class's centre, weighed by attention (Eq. 4).

    Where a face has votes, the class most voted for has the centre.
    """
    classes = targets.argmax(1) if targets.is_floating_point() else targets
    weight = both.attention.detach() if detach_weight else both.attention
    distance = both.attention * both.embedding - centres[classes]
    return (weight * distance.square()).sum() / (2 * len(classes))


def separation(centres: Tensor) -> Tensor:
    """L_CCS: cosine plus one, summed over all ordered pairs of different centres (Eq. 5).

    The cosines of all pairs add up to the square of the summed directions; a product of matrices would be
    rounded to bfloat16 under autocasting.
    """
    directions = F.normalize(centres)
    pairs = len(centres) * (len(centres) - 1)
    return directions.sum(0).square().sum() - directions.square().sum() + pairs
