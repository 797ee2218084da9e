"""LANMSFF's layers against models.md 1.2, and its modules against their definitions."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor, nn

from edgefer.models.lanmsff import PWFS, ChannelShuffle, MassAtt, TwoPaths, build

PAIRS = {  # plain and dilated, thrice; the second time as depthwise and pointwise
    72: [*[(36, 32, 32)] * 2, *[(72, 32, 32), (36, 32, 32)] * 2, *[(36, 32, 32)] * 2],
    84: [*[(42, 8, 8)] * 2, *[(84, 8, 8), (42, 8, 8)] * 2, *[(42, 8, 8)] * 2],
}
MASSATT = {
    72: [(18, 1, 1), (72, 1, 1), (2, 16, 16), (4, 8, 8), (4, 16, 16), (1, 32, 32)],
    84: [(21, 1, 1), (84, 1, 1), (2, 4, 4), (4, 2, 2), (4, 4, 4), (1, 8, 8)],
}


def shapes(network: nn.Module, *kinds: type[nn.Module]) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = []
    for layer in network.modules():
        if isinstance(layer, kinds):
            layer.register_forward_hook(lambda _, __, output: found.append(tuple(output.shape[1:])))
    network.eval()(torch.zeros(1, 1, 64, 64))
    return found


def test_layers_have_the_settled_shapes():
    assert shapes(build("full", 7), nn.Conv2d, nn.ConvTranspose2d) == [
        *[(66, 64, 64)] * 4,
        *PAIRS[72],
        *MASSATT[72],
        (72, 32, 32),
        *[(78, 16, 16)] * 4,
        *PAIRS[84],
        *MASSATT[84],
        (84, 8, 8),
    ]
    assert shapes(build("full", 7), nn.MaxPool2d) == [(66, 32, 32), (72, 16, 16), (78, 8, 8), (84, 4, 4)]
    assert shapes(build("full", 7), PWFS) == [(22, 32, 32), (24, 16, 16), (26, 8, 8)]


@pytest.mark.parametrize(
    ("variant", "features", "gates"),
    [("full", 156, 2), ("no-pwfs", 300, 2), ("no-massatt", 156, 0), ("plain", 300, 0)],
)
def test_a_variant_leaves_out_what_it_names(variant, features, gates):
    network = build(variant, 7)
    assert network.classify.in_features == features
    assert sum(isinstance(layer, MassAtt) for layer in network.modules()) == gates


@pytest.mark.parametrize("size", [16, 32, 48, 50, 96, 128])
def test_other_sizes_give_logits(size):
    assert build("full", 7).eval()(torch.zeros(2, 1, size, size)).shape == (2, 7)


values = st.floats(-(2.0**126), 2.0**126, width=32) | st.sampled_from([0.0, -0.0, 1.0, -1.0])


@settings(max_examples=60, deadline=None)
@given(arrays(np.float32, st.tuples(st.integers(1, 3), st.just(6), st.just(2), st.just(2)), elements=values))
def test_pwfs_is_the_mean_of_what_sorting_puts_highest(maps):
    groups = np.sort(maps.reshape(len(maps), 3, 2, 2, 2), axis=1)
    expected = (groups[:, 2] + groups[:, 1]) / np.float32(2)
    assert torch.equal(PWFS()(torch.from_numpy(maps)), torch.from_numpy(expected))


@settings(max_examples=60, deadline=None)
@given(arrays(np.float32, (1, 2, 3, 3), elements=values))
def test_pwfs_of_equal_groups_is_the_group(group):
    assert torch.equal(PWFS()(torch.from_numpy(group).repeat(1, 3, 1, 1)), torch.from_numpy(group))


@pytest.mark.parametrize("channels", [66, 78])
def test_shuffle_is_shufflenets_with_two_groups(channels):
    maps = torch.randn(2, channels, 3, 3)
    shuffled = ChannelShuffle(channels)(maps)
    grouped = maps.view(2, 2, channels // 2, 3, 3).transpose(1, 2).reshape(2, channels, 3, 3)
    assert torch.equal(shuffled, grouped)


def test_the_order_of_channels_is_saved_with_the_weights():
    torch.manual_seed(0)
    trained, restored = build("full", 7).eval(), build("full", 7).eval()
    trained.blocks[1][0].shuffle.order.copy_(torch.randperm(66))
    images = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        assert not torch.equal(trained(images), restored(images))
        restored.load_state_dict(trained.state_dict())
        assert torch.equal(trained(images), restored(images))


def gates(attention: MassAtt, maps: Tensor) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        return attention.channel_gate(maps), attention.spatial_gate(maps)


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 1e6), st.integers(0, 100))
def test_mass_attention_gates_are_between_zero_and_one(scale, seed):
    torch.manual_seed(seed)
    channel, spatial = gates(MassAtt(8), scale * torch.randn(2, 8, 12, 8))
    assert (channel.shape, spatial.shape) == ((2, 8, 1, 1), (2, 1, 12, 8))
    for gate in (channel, spatial):
        assert 0 <= gate.min() <= gate.max() <= 1


@pytest.mark.parametrize("size", [(6, 10), (5, 7), (3, 1), (2, 9), (8, 8)])
def test_a_gate_has_the_size_of_its_maps_and_sees_each_point_where_it_is(size):
    """Where H / 4 is no whole number, too: 48 pixels leave 6 x 6 maps, and 6 -> 3 -> 2 -> 3 -> 6."""
    torch.manual_seed(0)
    attention, maps = MassAtt(8), torch.randn(2, 8, *size)
    _, spatial = gates(attention, maps)
    assert spatial.shape == (2, 1, *size)
    moved = maps.clone()
    moved[..., -1, -1] += 9
    changed = (gates(attention, moved)[1] - spatial).abs()[0, 0]
    assert changed[-1, -1] > 0 and (min(size) < 8 or changed[0, 0] == 0)


def test_mass_attention_is_equation_3():
    torch.manual_seed(0)
    attention, maps = MassAtt(8), torch.randn(2, 8, 8, 8)
    squeeze, _, expand = attention.channel
    down, _, further, _, up, _, whole = attention.spatial
    with torch.no_grad():
        channel = torch.sigmoid(expand(torch.relu(squeeze(maps.mean((2, 3), keepdim=True)))))
        points = torch.relu(further(torch.relu(down(maps.mean(1, keepdim=True)))))
        spatial = torch.sigmoid(whole(torch.relu(up(points))))
        torch.testing.assert_close(attention(maps), maps * channel * spatial)


def test_channel_gates_see_channel_means_and_spatial_gates_point_means():
    torch.manual_seed(0)
    attention, maps = MassAtt(8), torch.randn(1, 8, 8, 8)
    elsewhere = maps.flatten(2)[:, :, torch.randperm(64)].view_as(maps)
    channel, spatial = gates(attention, maps)
    torch.testing.assert_close(gates(attention, elsewhere)[0], channel)
    torch.testing.assert_close(gates(attention, maps.flip(1))[1], spatial)
    assert not torch.allclose(gates(attention, elsewhere)[1], spatial)
    assert not torch.allclose(gates(attention, maps.flip(1))[0], channel)


def test_dilated_paths_reach_twice_as_far():
    paths = TwoPaths(6, 8)
    for path, dilation in ((paths.plain, 1), (paths.dilated, 2)):
        kernels = [layer for layer in path.modules() if getattr(layer, "kernel_size", 0) == (3, 3)]
        assert [layer.dilation for layer in kernels] == [(dilation, dilation)] * 3


def test_paths_start_from_a_half_each_and_then_share_everything():
    paths, seen = TwoPaths(6, 8).eval(), []
    for path in (paths.plain, paths.dilated):
        for layer in path:
            layer.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0], output)))
    maps = torch.randn(2, 6, 5, 5)
    result = paths(maps)
    assert torch.equal(seen[0][0], maps[:, [0, 3, 1]])
    assert torch.equal(seen[1][0], maps[:, [4, 2, 5]])
    for stage in (2, 4):
        both = torch.cat((seen[stage - 2][1], seen[stage - 1][1]), 1)
        assert torch.equal(seen[stage][0], both)
        assert torch.equal(seen[stage + 1][0], both)
    assert torch.equal(result, torch.cat((seen[4][1], seen[5][1]), 1))


def test_training_starts_from_the_authors_settings():
    for layer in build("full", 7).modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert (layer.eps, layer.momentum) == (1e-3, 0.01)
        if isinstance(layer, nn.Conv2d):
            bound = (6 / layer.weight[0].numel()) ** 0.5
            assert 0.5 * bound < layer.weight.abs().max() <= bound, "not He's uniform distribution"
            assert layer.bias is None or not layer.bias.any()
