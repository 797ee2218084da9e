"""PAtt-Lite's layers against models.md 2.2 and its attention against equation 3."""

import pytest
import torch
from torch import nn

from edgefer.models.pattlite import PAttLite, TokenAttention

TRUNK_SHAPES = [
    (32, 112, 112),
    *[(32, 112, 112), (64, 112, 112)],
    *[(64, 56, 56), (128, 56, 56)],
    *[(128, 56, 56), (128, 56, 56)],
    *[(128, 28, 28), (256, 28, 28)],
    *[(256, 28, 28), (256, 28, 28)],
    *[(256, 14, 14), (512, 14, 14)],
    *[(512, 14, 14), (512, 14, 14)],
    *[(512, 14, 14), (512, 14, 14)],
    (512, 14, 14),
]
PATCH_SHAPES = [(512, 4, 4), (256, 4, 4), (256, 2, 2), (256, 2, 2), (256, 2, 2)]


def convolution_outputs(part: nn.Module, network: nn.Module, size: int) -> list[tuple[int, ...]]:
    shapes: list[tuple[int, ...]] = []
    for layer in part.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(lambda _, __, output: shapes.append(tuple(output.shape[1:])))
    network(torch.zeros(1, 3, size, size))
    return shapes


def test_layers_have_the_settled_shapes():
    network = PAttLite(7, attention=True).eval()
    assert convolution_outputs(network.trunk, network, 224) == TRUNK_SHAPES
    assert convolution_outputs(network.patch, network, 224) == PATCH_SHAPES


@pytest.mark.parametrize("size", [81, 96, 112, 208, 209, 224, 256])
def test_other_sizes_give_logits(size):
    network = PAttLite(7, attention=True).eval()
    assert network(torch.zeros(2, 3, size, size)).shape == (2, 7)
    tokens = network.patch(network.trunk(torch.zeros(1, 3, size, size))).shape[2:].numel()
    assert (tokens > 1) == (size > 208)


def test_attention_is_equation_3_on_each_face():
    torch.manual_seed(0)
    attention = TokenAttention(32)
    attention.scale.data.fill_(1.7)
    tokens = torch.randn(3, 4, 32)
    weights = attention.weights(tokens)
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 4))
    expected = torch.nn.functional.scaled_dot_product_attention(tokens, tokens, tokens, scale=1.7 / 32**0.5)
    torch.testing.assert_close(attention(tokens), expected)


def test_head_with_one_token_computes_what_none_computes():
    torch.manual_seed(0)
    head, none = PAttLite(7, attention=True).eval(), PAttLite(7, attention=False).eval()
    none.load_state_dict(
        {name: value for name, value in head.state_dict().items() if name != "attention.scale"}
    )
    small, full = torch.randn(2, 3, 96, 96), torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(head(small), none(small))
        assert (head(full) - none(full)).abs().max() > 1e-4
