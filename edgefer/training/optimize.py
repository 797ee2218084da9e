"""Optimizers, learning rates and the moving average of weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from edgefer.training.objectives.base import Objective
from edgefer.training.recipe import Monitor, Optimizer, Schedule, Stage

History = Sequence[Mapping[str, float]]
"""One row of metrics a finished epoch of the stage, named as in the training's log."""


def make_optimizers(stage: Stage, objective: Objective) -> list[torch.optim.Optimizer]:
    """Optimizers of all that learns: the network's own first, then the class centres' where there are any.

    Weight decay acts on kernels and matrices only.
    """
    network = [each for each in objective.network.parameters() if each.requires_grad]
    optimizers = [_optimizer(stage.optimizer, network)]
    known = set(objective.network.parameters())
    if centres := [each for each in objective.parameters() if each not in known]:
        how = stage.centres
        optimizers.append(
            torch.optim.SGD(
                centres, lr=how.learning_rate, momentum=how.momentum, weight_decay=how.weight_decay
            )
        )
    return optimizers


def _optimizer(how: Optimizer, parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
    groups: list[dict[str, Any]] = [
        {"params": [each for each in parameters if each.ndim > 1], "weight_decay": how.weight_decay},
        {"params": [each for each in parameters if each.ndim <= 1], "weight_decay": 0.0},
    ]
    if how.kind == "sgd":
        return torch.optim.SGD(groups, lr=0.0, momentum=how.momentum, nesterov=how.nesterov)
    kind = torch.optim.Adam if how.kind == "adam" else torch.optim.AdamW
    return kind(groups, lr=0.0, betas=how.betas, eps=how.epsilon)


def carries_over(before: Stage, stage: Stage) -> bool:
    """Whether a stage goes on with the optimizers, moments and all, of the stage before it.

    It does unless other weights learn or they learn by another rule.
    """
    return (before.optimizer, before.trainable, before.frozen_norms, before.centres) == (
        stage.optimizer,
        stage.trainable,
        stage.frozen_norms,
        stage.centres,
    )


def set_learning_rates(
    optimizers: Sequence[torch.optim.Optimizer],
    stage: Stage,
    *,
    epoch: int,
    part: float,
    history: History,
    done_steps: int,
) -> float:
    """Set the network's learning rate for the next step and return it; the centres keep theirs.

    Args:
        optimizers: of :func:`make_optimizers`.
        stage: the stage.
        epoch: epochs of the stage that are finished.
        part: share of the stage's planned steps that are done.
        history: of these epochs.
        done_steps: steps that the optimizers have made, in this stage and those they came from.
    """
    rate = learning_rate(stage, epoch=epoch, part=part, history=history)
    rate *= min(1.0, (done_steps + 1) / (stage.warmup_steps + 1))
    for group in optimizers[0].param_groups:
        group["lr"] = rate
    return rate


def learning_rate(stage: Stage, *, epoch: int, part: float, history: History) -> float:
    """The stage's learning rate but for the warm-up; arguments as for :func:`set_learning_rates`."""
    first, how = stage.learning_rate, stage.schedule
    if how.kind == "cosine":
        drop = first - how.final_learning_rate
        return how.final_learning_rate + drop * (1 + math.cos(math.pi * part)) / 2
    if how.kind == "inverse":
        return first / (1 + epoch / how.every_epochs)
    drops = {
        "constant": 0,
        "exponential": epoch,
        "step": epoch // how.every_epochs,
        "plateau": plateaus(how, [row[how.monitor] for row in history]) if how.kind == "plateau" else 0,
    }[how.kind]
    return max(how.minimum, first * how.factor**drops) if drops else first


def plateaus(how: Schedule, seen: Iterable[float]) -> int:
    """How often ``patience`` epochs in a row were no better than the best before them."""
    found, waited = 0, 0
    for better in improvements(seen, how.monitor, how.min_delta):
        waited = 0 if better else waited + 1
        if waited == how.patience:
            found, waited = found + 1, 0
    return found


def has_stalled(stage: Stage, history: History) -> bool:
    """Whether the stage's last ``patience`` epochs were no better than the best before them."""
    better = improvements([row[stage.monitor] for row in history], stage.monitor, stage.min_delta)
    return 0 < stage.patience <= len(better) and not any(better[-stage.patience :])


def improvements(seen: Iterable[float], monitor: Monitor, min_delta: float) -> list[bool]:
    """Of each value, whether it was better than the best that counted before it, by ``min_delta``."""
    sign = 1 if monitor.endswith("accuracy") else -1
    best, better = -math.inf, []
    for value in seen:
        better.append(sign * value > best + min_delta)
        if better[-1]:
            best = sign * value
    return better


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, *, decay: float, done_steps: int) -> None:
    """Let the average's weights and statistics follow the network's, faster while the run is young."""
    decay = min(decay, (1 + done_steps) / (10 + done_steps))
    for mean, value in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(value, 1 - decay)
        else:
            mean.copy_(value)
