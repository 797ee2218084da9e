"""ResNet's parts against the paper's Table 1 and the counts that everybody knows."""

import pytest
import torch
from torch import nn

from edgefer.models.resnet import Residual, basic, bottleneck, initialise, stage, stem


def resnet(body, expansion: int, depths: tuple[int, int, int, int]) -> nn.Sequential:
    network, inputs = stem(), 64
    for index, units in enumerate(depths):
        outputs = 64 * 2**index * expansion
        network.append(stage(body, inputs, outputs, units=units, stride=1 if index == 0 else 2))
        inputs = outputs
    return network


@pytest.mark.parametrize(
    ("body", "expansion", "depths", "parameters"),
    [(basic, 1, (2, 2, 2, 2), 11_176_512), (bottleneck, 4, (3, 4, 6, 3), 23_508_032)],
    ids=["resnet18", "resnet50"],
)
def test_trunks_have_the_known_counts_and_shapes(body, expansion, depths, parameters):
    with torch.device("meta"):
        network = resnet(body, expansion, depths)
        assert network(torch.empty(2, 3, 224, 224)).shape == (2, 512 * expansion, 7, 7)
        assert network(torch.empty(2, 3, 97, 33)).shape == (2, 512 * expansion, 4, 2)
    assert sum(weights.numel() for weights in network.parameters()) == parameters


@pytest.mark.parametrize("body", [basic, bottleneck])
@pytest.mark.parametrize(("inputs", "stride"), [(16, 1), (16, 2), (8, 1)])
def test_a_unit_rectifies_the_sum_of_body_and_shortcut(body, inputs, stride):
    torch.manual_seed(0)
    unit, features = Residual(body, inputs, 16, stride).eval(), torch.randn(2, inputs, 6, 6)
    assert isinstance(unit.shortcut, nn.Identity) == ((inputs, stride) == (16, 1))
    total = unit.body(features) + unit.shortcut(features)
    assert total.min() < 0
    torch.testing.assert_close(unit(features), total.relu())


def test_initialisation_is_he_by_fan_out_where_a_normalisation_follows():
    torch.manual_seed(0)
    normalised, gate = nn.Conv2d(32, 128, 3, bias=False), nn.Conv2d(32, 128, 3)
    before = gate.weight.clone()
    nn.Sequential(normalised, gate).apply(initialise)
    assert normalised.weight.std().item() == pytest.approx((2 / (128 * 9)) ** 0.5, rel=0.02)
    assert torch.equal(gate.weight, before)
