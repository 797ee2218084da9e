"""What learns in a stage, and how the rest behaves."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from edgefer.models import get
from edgefer.training.freezing import find_trunk, freeze, last_layers, train_mode
from edgefer.training.recipe import Stage, load_recipe
from edgefer_runtime.errors import DataError

STAGE = Stage(96, 1, 2, 1e-3)


@pytest.fixture
def pattlite():
    return get("pattlite").build("head", 3)


def learning(network: nn.Module) -> set[str]:
    return {name for name, parameter in network.named_parameters() if parameter.requires_grad}


def norms(network: nn.Module) -> list[nn.BatchNorm2d]:
    return [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]


@pytest.mark.parametrize(
    ("model", "head"),
    [
        ("lanmsff", {"classify"}),
        ("pattlite", {"patch", "embed", "norm", "attention", "classify"}),
        ("fcsdnet", {"classify"}),
        ("dsan", {"embed", "attention", "classify_global", "local", "classify_local"}),
        ("gmslpa", {"whole", "local", "classify_global", "classify_local"}),
    ],
)
def test_the_head_is_what_follows_the_trunk(model, head):
    with torch.device("meta"):
        network = get(model).build(None, 3)
    freeze(network, replace(STAGE, trainable="head"))
    assert {name.split(".")[0] for name in learning(network)} == head
    freeze(network, STAGE)
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_keras_counts_59_layers_in_a_truncated_mobilenet(pattlite):
    """Input, 18 of convolution, normalisation and activation, and 4 paddings before a stride."""
    trunk = find_trunk(pattlite)
    assert len(last_layers(trunk, 100)) == 59
    assert [type(layer) for layer in last_layers(trunk, 4)] == [nn.ReLU6, nn.Conv2d, nn.BatchNorm2d, nn.ReLU6]
    padding, convolution = last_layers(trunk, 59)[1:3]
    assert (type(padding), convolution.stride) == (nn.Identity, (2, 2))


def test_the_last_layers_learn_and_the_others_do_not(pattlite):
    freeze(pattlite, replace(STAGE, trainable=6))
    trunk = {name for name in learning(pattlite) if name.startswith("trunk")}
    assert trunk == {
        f"trunk.{layer}.{part}" for layer in (16, 17) for part in ("0.weight", "1.weight", "1.bias")
    }


def test_the_papers_first_stage_trains_the_head_alone(pattlite):
    first, _ = load_recipe("pattlite", "paper").stages
    freeze(pattlite, first)
    train_mode(pattlite, first)
    before = {name: value.clone() for name, value in pattlite.state_dict().items()}
    pattlite(torch.rand(2, 3, 96, 96)).sum().backward()
    torch.optim.SGD([each for each in pattlite.parameters() if each.grad is not None], lr=1.0).step()
    changed = {name for name, value in pattlite.state_dict().items() if not torch.equal(value, before[name])}
    assert not any(name.startswith("trunk") for name in changed)
    assert {"embed.weight", "norm.running_mean"} <= changed


def test_the_papers_second_stage_trains_all_convolutions_and_no_norm_of_the_trunk(pattlite):
    _, second = load_recipe("pattlite", "paper").stages
    freeze(pattlite, second)
    train_mode(pattlite, second)
    trunk = find_trunk(pattlite)
    convolutions = [layer.weight for layer in trunk.modules() if isinstance(layer, nn.Conv2d)]
    assert len(convolutions) == 18
    assert all(weight.requires_grad for weight in convolutions)
    assert not any(norm.training or norm.weight.requires_grad for norm in norms(trunk))
    assert pattlite.norm.training
    assert pattlite.norm.weight.requires_grad


def test_what_was_frozen_wakes_up_again(pattlite):
    freeze(pattlite, replace(STAGE, trainable="head", frozen_norms=True))
    freeze(pattlite, STAGE)
    train_mode(pattlite, STAGE)
    assert len(learning(pattlite)) == len(list(pattlite.parameters()))
    assert all(norm.training for norm in norms(pattlite))


def rates(network: nn.Module) -> list[float]:
    return [layer.p for layer in network.modules() if isinstance(layer, (nn.Dropout, nn.Dropout2d))]


@pytest.mark.parametrize(
    ("dropout", "expected"),
    [
        (None, [0.0, 0.1, 0.0]),
        (0.2, [0.2, 0.2, 0.2]),
        (0.0, [0.0, 0.0, 0.0]),
        ({"drop_features": 0.3}, [0.0, 0.3, 0.0]),
    ],
)
def test_dropouts_are_the_stages_whatever_they_were_before(pattlite, dropout, expected):
    for stage in (replace(STAGE, dropout=0.5), replace(STAGE, dropout=dropout)):
        train_mode(pattlite, stage)
    assert sorted(rates(pattlite)) == sorted(expected)


def test_an_unknown_dropout_is_named(pattlite):
    with pytest.raises(DataError, match="no dropout called drop_everything"):
        train_mode(pattlite, replace(STAGE, dropout={"drop_everything": 0.5}))
