"""Learning from a bigger network beside the labels.

G. Hinton, O. Vinyals, J. Dean, "Distilling the Knowledge in a Neural Network", 2015 (arXiv:1503.02531).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from edgefer.models import get
from edgefer.training.checkpoint import Checkpoint
from edgefer_runtime.errors import DataError


class Teacher:
    """A trained network that only gives its opinion.

    It is no module, so that an objective that has one counts neither its parameters nor its state.

    Attributes:
        network: in evaluation mode.
        contract: what it takes; of the same faces in the same variation as the student's.

    Args:
        checkpoint: the network and its classes.
        classes: the student's classes, in the order of its outputs.

    Raises:
        DataError: the teacher knows other classes.
    """

    def __init__(self, checkpoint: Checkpoint, classes: Sequence[str]) -> None:
        if set(checkpoint.classes) != set(classes):
            raise DataError(
                f"the teacher knows {', '.join(checkpoint.classes)}",
                expected=f"the classes to be learnt: {', '.join(classes)}",
                action="choose another teacher, or other faces",
            )
        self.network = checkpoint.network()
        self.contract = checkpoint.contract
        self._output = get(checkpoint.model).output
        self._order = [checkpoint.classes.index(name) for name in classes]

    @torch.no_grad()
    def logits(self, images: Tensor) -> Tensor:
        """Logits N x K in the student's order of classes, float32, of images N x C x H x W."""
        return as_logits(self.network(images).float(), self._output)[:, self._order]


def as_logits(scores: Tensor, output: Literal["logits", "probabilities"]) -> Tensor:
    """What a network returns, N x K, as something whose softmax are the probabilities."""
    return scores if output == "logits" else scores.clamp_min(1e-12).log()


def disagreement(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Kullback-Leibler divergence of softened decisions, times the temperature squared (section 2).

    The factor keeps the gradient as big as that of the labels, whatever the temperature.

    Args:
        student, teacher: logits, N x K.
        temperature: divides both.
    """
    softened, opinion = (student / temperature).log_softmax(1), (teacher / temperature).log_softmax(1)
    return temperature**2 * F.kl_div(softened, opinion, reduction="batchmean", log_target=True)
