"""FCSDNet's layers against models.md 3.2, and its attention against equations 1 to 3."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from edgefer.models.fcsdnet import DenseBlock, FCSDNet, FusedAttention, build, pooling, transition


def outputs(variant: str) -> list[tuple[int, int]]:
    """Channels and side of what each part of the network passes on."""
    network = build(variant, 7).eval()
    assert isinstance(network, FCSDNet)
    maps, found = torch.zeros(1, 3, 100, 100), []
    for part in network.features:
        maps = part(maps)
        found.append((maps.shape[1], maps.shape[2]))
    return found


@pytest.mark.parametrize(
    ("variant", "sides"),
    [
        ("max-ceil", (25, 13, 7, 4)),
        ("avg-ceil", (25, 13, 7, 4)),
        ("max-floor", (25, 12, 6, 3)),
        ("avg-floor", (25, 12, 6, 3)),
    ],
)
def test_layers_have_the_settled_shapes(variant, sides):
    stem, first, second, third = sides
    assert outputs(variant) == [
        *[(64, 50), (64, stem)],
        *[(96, stem), (128, first), (128, first)],
        *[(256, first), (256, second), (256, second)],
        *[(768, second), (512, third), (512, third)],
    ]


def test_depth_is_the_papers():
    attention = (".channel.", ".spatial.")
    layers = [
        name
        for name, layer in build("max-ceil", 7).named_modules()
        if isinstance(layer, nn.Conv2d) and not any(part in name for part in attention)
    ]
    assert len(layers) == 18


@pytest.mark.parametrize("size", [32, 96, 112])
@pytest.mark.parametrize("variant", ["max-ceil", "max-floor"])
def test_other_sizes_give_logits(variant, size):
    assert build(variant, 7).eval()(torch.zeros(2, 3, size, size)).shape == (2, 7)


@pytest.mark.parametrize("ceil", [True, False])
def test_what_lies_beyond_the_map_never_counts(ceil):
    ones = torch.ones(1, 2, 25, 25)
    for pool in (pooling("max", ceil), pooling("avg", ceil), transition(2, 2, ceil)[-1]):
        assert (pool(-ones) == -1).all()


def test_the_stem_pools_as_its_variant_says():
    maps = torch.tensor([[0.0, 0, 0, 0, 9]]).repeat(5, 1)[None, None]
    assert pooling("max", ceil=False)(maps)[0, 0, 0].tolist() == [0, 0, 9]
    assert pooling("avg", ceil=False)(maps)[0, 0, 0].tolist() == [0, 0, 4.5]


def test_transition_averages_what_is_activated():
    torch.manual_seed(0)
    layer, maps = transition(4, 3, ceil=True), torch.randn(1, 4, 5, 5)
    activated = torch.relu(layer[0](maps))
    torch.testing.assert_close(layer(maps)[:, :, 0, 0], activated[:, :, :2, :2].mean((2, 3)))
    torch.testing.assert_close(layer(maps)[:, :, 2, 2], activated[:, :, 4, 4])


def test_dense_block_puts_the_newest_channels_first():
    torch.manual_seed(0)
    block, maps = DenseBlock(8, growth=4, components=2).eval(), torch.randn(1, 8, 5, 5)
    with torch.no_grad():
        first = block.components[0](maps)
        second = block.components[1](torch.cat((first, maps), 1))
        assert torch.equal(block(maps), torch.cat((second, first, maps), 1))


def gates(attention: FusedAttention, maps: Tensor) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        return attention.channel_gate(maps), attention.spatial_gate(maps)


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 1e6), st.integers(0, 100))
def test_gates_are_between_zero_and_one(scale, seed):
    torch.manual_seed(seed)
    channel, spatial = gates(FusedAttention(16).eval(), scale * torch.randn(2, 16, 9, 7))
    assert (channel.shape, spatial.shape) == ((2, 16, 1, 1), (2, 1, 9, 7))
    for gate in (channel, spatial):
        assert 0 <= gate.min() <= gate.max() <= 1


def test_attention_is_equations_1_to_3_with_equal_weights():
    torch.manual_seed(0)
    attention, maps = FusedAttention(16).eval(), torch.randn(2, 16, 9, 9)
    squeeze, _, expand = attention.channel

    def scores(descriptor: Tensor) -> Tensor:
        hidden = torch.relu(nn.functional.linear(descriptor, squeeze.weight.flatten(1), squeeze.bias))
        return nn.functional.linear(hidden, expand.weight.flatten(1), expand.bias)

    with torch.no_grad():
        channel = torch.sigmoid(scores(maps.flatten(2).mean(2)) + scores(maps.flatten(2).max(2).values))
        pooled = torch.stack((maps.mean(1), maps.max(1).values), 1) / (1 + 1e-3) ** 0.5
        spatial = torch.sigmoid(nn.functional.conv2d(pooled, attention.spatial[1].weight, padding=3))
        expected = 0.5 * maps * channel[:, :, None, None] + 0.5 * maps * spatial
        torch.testing.assert_close(attention(maps), expected)
