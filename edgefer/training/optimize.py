"""Optimizer, learning rate and the moving average of weights."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from edgefer.training.recipe import Recipe, Stage


def make_optimizer(recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer:
    """The recipe's optimizer; weight decay acts on kernels and matrices only."""
    kernels = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": kernels, "weight_decay": recipe.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=0.0, momentum=recipe.momentum, nesterov=True)
    return torch.optim.AdamW(groups, lr=0.0)


def learning_rate(stage: Stage, part: float, *, done_steps: int, warmup_steps: int) -> float:
    """Half a cosine from the stage's first rate (``part`` 0) to its last (1), held down while warming up."""
    drop = stage.learning_rate - stage.final_learning_rate
    rate = stage.final_learning_rate + drop * (1 + math.cos(math.pi * part)) / 2
    return rate * min(1.0, (done_steps + 1) / (warmup_steps + 1))


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, *, decay: float, done_steps: int) -> None:
    """Let the average's weights and statistics follow the network's, faster while the run is young."""
    decay = min(decay, (1 + done_steps) / (10 + done_steps))
    for mean, value in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(value, 1 - decay)
        else:
            mean.copy_(value)
