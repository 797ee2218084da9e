"""Learning rates, weight decay, class centres and the moving average."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.optim import lr_scheduler

from edgefer.training.objectives.base import CrossEntropy
from edgefer.training.objectives.dsan import FeatureRecalibration
from edgefer.training.optimize import (
    carries_over,
    follow,
    has_stalled,
    learning_rate,
    make_optimizers,
    set_learning_rates,
)
from edgefer.training.recipe import Augmentation, Centres, Optimizer, Schedule, Stage

STAGE = Stage(96, 10, 8, 0.8, Schedule("cosine", 0.2), warmup_steps=9)


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


def by_epoch(schedule: Schedule, epochs: int, seen: list[float] | None = None) -> list[float]:
    stage = replace(STAGE, schedule=schedule)
    rows = [{schedule.monitor: value} for value in seen or [0.0] * epochs]
    return [learning_rate(stage, epoch=e, part=0.0, history=rows[:e]) for e in range(epochs)]


def by_torch(make, epochs: int, seen: list[float] | None = None) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=STAGE.learning_rate)
    scheduler, rates = make(optimizer), []
    for epoch in range(epochs):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step(*([] if seen is None else [seen[epoch]]))
    return rates


def test_a_cosine_goes_from_the_first_rate_to_the_last():
    rates = [learning_rate(STAGE, epoch=0, part=part, history=[]) for part in (0, 0.5, 1)]
    assert rates == pytest.approx([0.8, 0.5, 0.2])


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_cosine_never_rises(a, b):
    rate = [learning_rate(STAGE, epoch=0, part=part, history=[]) for part in sorted((a, b))]
    assert rate[0] >= rate[1]


def test_a_constant_rate_stays_and_an_inverse_one_halves():
    assert by_epoch(Schedule("constant"), 5) == [0.8] * 5
    assert by_epoch(Schedule("inverse", every_epochs=4), 13)[::4] == pytest.approx([0.8, 0.4, 0.8 / 3, 0.2])


@settings(deadline=None)
@given(st.floats(0.1, 0.99), st.integers(1, 6), st.integers(1, 20))
def test_exponential_and_step_are_torchs(factor, every, epochs):
    exponential = by_torch(lambda o: lr_scheduler.ExponentialLR(o, factor), epochs)
    assert by_epoch(Schedule("exponential", factor=factor), epochs) == pytest.approx(exponential)
    steps = by_torch(lambda o: lr_scheduler.StepLR(o, every, factor), epochs)
    assert by_epoch(Schedule("step", factor=factor, every_epochs=every), epochs) == pytest.approx(steps)


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 12).map(lambda value: value / 8), min_size=1, max_size=40),
    st.sampled_from(["validation_accuracy", "validation_loss"]),
    st.integers(1, 4),
    st.sampled_from([0.0, 0.125, 0.3]),
    st.sampled_from([0.0, 0.01]),
)
def test_a_plateau_is_torchs(seen, monitor, patience, min_delta, minimum):
    """Whose patience is the number of epochs it puts up with, one less than Keras's and ours."""
    expected = by_torch(
        lambda optimizer: lr_scheduler.ReduceLROnPlateau(
            optimizer,
            "max" if monitor == "validation_accuracy" else "min",
            factor=0.3,
            patience=patience - 1,
            threshold=min_delta,
            threshold_mode="abs",
            min_lr=minimum,
            eps=0,
        ),
        len(seen),
        seen,
    )
    plateau = Schedule(
        "plateau", factor=0.3, patience=patience, min_delta=min_delta, minimum=minimum, monitor=monitor
    )
    assert by_epoch(plateau, len(seen), seen) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("seen", "stalled"),
    [
        ([0.5], False),
        ([0.5, 0.5], False),
        ([0.5, 0.5, 0.5], True),
        ([0.5, 0.4, 0.6, 0.6], False),
        ([0.5, 0.505, 0.509], True),  # better, but not by enough
    ],
)
def test_a_stage_ends_when_it_has_not_got_better_for_long(seen, stalled):
    stage = replace(STAGE, patience=2, min_delta=0.01)
    rows = [{"validation_accuracy": value} for value in seen]
    assert has_stalled(stage, rows) is stalled
    assert not has_stalled(replace(stage, patience=0), rows)


def test_warming_up_grows_to_the_rate_and_spares_the_centres():
    objective = FeatureRecalibration(network(), classes=2)
    optimizers = make_optimizers(replace(STAGE, centres=Centres(learning_rate=0.7)), objective)
    rates = [
        set_learning_rates(optimizers, STAGE, epoch=0, part=0, history=[], done_steps=done)
        for done in (0, 4, 9, 99)
    ]
    assert rates == pytest.approx([0.08, 0.4, 0.8, 0.8])
    assert [[group["lr"] for group in each.param_groups] for each in optimizers] == [[0.8, 0.8], [0.7]]


def test_every_parameter_that_learns_has_one_optimizer():
    objective = FeatureRecalibration(network(), classes=2)
    objective.network[0].requires_grad_(False)
    own, centres = make_optimizers(STAGE, objective)
    held = [parameter for group in own.param_groups for parameter in group["params"]]
    assert {id(parameter) for parameter in held} == {id(each) for each in objective.network[1].parameters()}
    assert [group["params"] for group in centres.param_groups] == [[objective.centres]]


@pytest.mark.parametrize("kind", ["adam", "adamw", "sgd"])
def test_decay_spares_biases_and_normalisations(kind):
    net = network()
    net[0].weight.data.fill_(2)
    before = {name: value.clone() for name, value in net.named_parameters()}
    how = Optimizer(kind, weight_decay=0.5)
    (decaying,) = make_optimizers(replace(STAGE, optimizer=how), CrossEntropy(net))
    for group in decaying.param_groups:
        group["lr"] = 0.1
    sum(parameter.sum() * 0 for parameter in net.parameters()).backward()
    decaying.step()
    for name, value in net.named_parameters():
        assert (value < 1.95).all() if name == "0.weight" else (value == before[name]).all()


def test_optimizers_are_made_as_written():
    adam = Optimizer("adam", betas=(0.8, 0.99), epsilon=1e-7)
    (made,) = make_optimizers(replace(STAGE, optimizer=adam), CrossEntropy(network()))
    assert type(made) is torch.optim.Adam
    assert (made.defaults["betas"], made.defaults["eps"]) == ((0.8, 0.99), 1e-7)
    sgd = Optimizer("sgd", momentum=0.7, nesterov=True)
    (made,) = make_optimizers(replace(STAGE, optimizer=sgd), CrossEntropy(network()))
    assert type(made) is torch.optim.SGD
    assert (made.defaults["momentum"], made.defaults["nesterov"]) == (0.7, True)


def test_moments_carry_over_unless_other_weights_learn_or_by_another_rule():
    assert carries_over(STAGE, replace(STAGE, size=224, learning_rate=0.1, augmentation=Augmentation(0.5)))
    for change in (
        {"optimizer": Optimizer("sgd")},
        {"trainable": "head"},
        {"frozen_norms": True},
        {"centres": Centres(momentum=0.5)},
    ):
        assert not carries_over(STAGE, replace(STAGE, **change))


def test_the_average_follows_weights_and_statistics():
    average, net = nn.BatchNorm1d(1), nn.BatchNorm1d(1)
    net.weight.data.fill_(3)
    net.running_mean.fill_(8)
    net.num_batches_tracked.fill_(5)
    follow(average, net, decay=0.75, done_steps=10**6)
    assert (average.weight.item(), average.running_mean.item(), average.num_batches_tracked.item()) == (
        1.5,
        2,
        5,
    )
    follow(average, net, decay=0.75, done_steps=0)  # a young average forgets its start faster
    assert average.weight.item() == pytest.approx(1.5 + 0.9 * 1.5)
