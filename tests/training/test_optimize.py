"""Learning rate, weight decay and the moving average."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from edgefer.training.objectives.base import CrossEntropy
from edgefer.training.optimize import follow, make_optimizers, set_learning_rates
from edgefer.training.recipe import Optimizer, Schedule, Stage

STAGE = Stage(96, 10, 8, 0.8, Schedule("cosine", 0.2), warmup_steps=9)


def rate(part: float, done_steps: int = 1000) -> float:
    return set_learning_rates([], STAGE, epoch=0, part=part, history=[], done_steps=done_steps)


def test_the_rate_goes_from_the_first_to_the_last_by_half_a_cosine():
    assert [rate(part) for part in (0, 0.5, 1)] == pytest.approx([0.8, 0.5, 0.2])
    assert [rate(0, done) for done in (0, 4, 9)] == pytest.approx([0.08, 0.4, 0.8])


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_rate_never_rises_within_a_stage(a, b):
    assert rate(min(a, b)) >= rate(max(a, b))


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_decay_spares_biases_and_normalisations(optimizer):
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    before = {name: value.clone() for name, value in network.named_parameters()}
    (decaying,) = make_optimizers(
        replace(STAGE, optimizer=Optimizer(optimizer, weight_decay=0.5)), CrossEntropy(network)
    )
    for group in decaying.param_groups:
        group["lr"] = 0.1
    sum(parameter.sum() * 0 for parameter in network.parameters()).backward()
    decaying.step()
    for name, value in network.named_parameters():
        kept = value / before[name]
        assert (kept < 0.96).all() if name == "0.weight" else (value == before[name]).all()


def test_the_average_follows_weights_and_statistics():
    average, network = nn.BatchNorm1d(1), nn.BatchNorm1d(1)
    network.weight.data.fill_(3)
    network.running_mean.fill_(8)
    network.num_batches_tracked.fill_(5)
    follow(average, network, decay=0.75, done_steps=10**6)
    assert (average.weight.item(), average.running_mean.item(), average.num_batches_tracked.item()) == (
        1.5,
        2,
        5,
    )
    follow(average, network, decay=0.75, done_steps=0)  # a young average forgets its start faster
    assert average.weight.item() == pytest.approx(1.5 + 0.9 * 1.5)
