"""GMS-LPA's loss: cross-entropy of both branches (Eq. 5 and 6)."""

from __future__ import annotations

from torch import Tensor

from edgefer.models.gmslpa import ALPHA, Branches
from edgefer.training.objectives.base import Losses, Objective


class GlobalAndLocal(Objective):
    """L = alpha L_local + (1 - alpha) L_global (Eq. 6)."""

    def learn(self, images: Tensor, targets: Tensor) -> Losses:
        """The losses of a batch by its labels."""
        both = Branches(*(logits.float() for logits in self.network.branches(images)))  # type: ignore[operator]
        of_local = self.cross_entropy(both.local_logits, targets)
        of_global = self.cross_entropy(both.global_logits, targets)
        return Losses(ALPHA * of_local + (1 - ALPHA) * of_global, both.logits())
