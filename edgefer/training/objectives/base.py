"""What all objectives share, and the plainest of them: cross-entropy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgefer.training.objectives.teacher import Teacher, as_logits, disagreement
from edgefer.training.recipe import Stage


class Losses(NamedTuple):
    """What an objective finds for a batch.

    Attributes:
        loss: scalar, to be minimised.
        scores: what the network returns for the images, N x K, in float32.
    """

    loss: Tensor
    scores: Tensor


class Objective(nn.Module, ABC):
    """A network and the loss it learns by, with whatever else the loss learns.

    One module, so that it can be wrapped for several devices as a whole. Losses are computed in float32,
    also where the network is not.

    Attributes:
        network: what is trained.
        output: what it returns.
        teacher: who has a say in the loss beside the labels, if anyone.
        stage: the stage whose numbers are used.
        class_weights: weight of each class, K; None for equal weights.
    """

    stage: Stage

    def __init__(
        self,
        network: nn.Module,
        output: Literal["logits", "probabilities"] = "logits",
        teacher: Teacher | None = None,
    ) -> None:
        super().__init__()
        self.network, self.output, self.teacher = network, output, teacher
        self.class_weights: Tensor | None = None

    def begin(self, stage: Stage, class_weights: Tensor | None = None) -> None:
        """Take the numbers of a stage; necessary before the first batch."""
        self.stage, self.class_weights = stage, class_weights

    def forward(self, images: Tensor, targets: Tensor, teacher_images: Tensor | None = None) -> Losses:
        """The losses of a batch.

        Args:
            images: network input, N x C x H x W.
            targets: classes, int64 N, or votes, float32 N x K, whose rows sum to one.
            teacher_images: the same faces in the same variation by the teacher's contract, where there is a
                teacher.
        """
        losses = self.learn(images, targets)
        if self.teacher is None:
            return losses
        assert teacher_images is not None, "a teacher has to see the faces"
        how, opinion = self.stage.distillation, self.teacher.logits(teacher_images)
        apart = disagreement(as_logits(losses.scores, self.output), opinion, how.temperature)
        return Losses(torch.lerp(losses.loss, apart, how.share), losses.scores)

    @abstractmethod
    def learn(self, images: Tensor, targets: Tensor) -> Losses:
        """The losses of a batch by its labels; arguments as for :meth:`forward`."""

    def cross_entropy(self, logits: Tensor, targets: Tensor) -> Tensor:
        """:func:`cross_entropy` with the stage's label smoothing and the class weights."""
        return cross_entropy(logits, targets, self.stage.label_smoothing, self.class_weights)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> nn.Module:
        """Move to another device, the teacher too."""
        if self.teacher is not None:
            self.teacher.network._apply(fn)  # type: ignore[no-untyped-call]
        return super()._apply(fn, recurse)  # type: ignore[no-any-return, no-untyped-call]


class CrossEntropy(Objective):
    """Cross-entropy of the network's decision."""

    def learn(self, images: Tensor, targets: Tensor) -> Losses:
        """The losses of a batch by its labels."""
        scores = self.network(images).float()
        return Losses(self.cross_entropy(as_logits(scores, self.output), targets), scores)


def cross_entropy(
    logits: Tensor, targets: Tensor, smoothing: float = 0.0, class_weights: Tensor | None = None
) -> Tensor:
    """Mean cross-entropy over a batch; each face counts as much as its class weighs.

    As in Keras, and unlike in torch, the sum is divided by the number of faces and not by their weights, so
    that a batch of rare faces makes a bigger step.

    Args:
        logits: N x K.
        targets: classes, int64 N, or votes, N x K.
        smoothing: share of the target spread over all classes.
        class_weights: K; a face with votes has the mean weight of its classes.
    """
    classes = logits.shape[1]
    votes = targets if targets.is_floating_point() else F.one_hot(targets, classes).to(logits.dtype)
    smoothed = (1 - smoothing) * votes + smoothing / classes
    each = -(smoothed * logits.log_softmax(1)).sum(1)
    return (each if class_weights is None else each * (votes * class_weights).sum(1)).mean()
