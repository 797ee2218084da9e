"""PAtt-Lite's layers against models.md 2.2 and its attention against equation 3."""

import pytest
import torch
from torch import nn

from edgefer.models import get
from edgefer.models.pattlite import (
    BatchAttention,
    ElementAttention,
    PAttLite,
    ProjectedAttention,
    TokenAttention,
)
from edgefer_runtime.errors import CheckError

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
    network = PAttLite(7).eval()
    assert convolution_outputs(network.trunk, network, 224) == TRUNK_SHAPES
    assert convolution_outputs(network.patch, network, 224) == PATCH_SHAPES


@pytest.mark.parametrize("size", [81, 96, 112, 208, 209, 224, 256])
def test_other_sizes_give_logits(size):
    network = PAttLite(7).eval()
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
    head, none = PAttLite(7).eval(), PAttLite(7, variant="none").eval()
    none.load_state_dict(
        {name: value for name, value in head.state_dict().items() if name != "attention.scale"}
    )
    small, full = torch.randn(2, 3, 96, 96), torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(head(small), none(small))
        assert (head(full) - none(full)).abs().max() > 1e-4


def with_weights_of(network: PAttLite, variant: str) -> PAttLite:
    """The same weights in another variant that has no others."""
    other = PAttLite(7, variant=variant).eval()
    other.load_state_dict(network.state_dict())
    return other


@torch.no_grad()
def test_the_batch_variant_tells_each_face_what_its_neighbours_are():
    torch.manual_seed(0)
    leaking = PAttLite(7, variant="batch").eval()
    faces = torch.randn(3, 3, 96, 96)
    first, second = leaking(faces[[0, 1]]), leaking(faces[[0, 2]])
    assert (first[0] - second[0]).abs().max() > 1e-4
    honest = with_weights_of(leaking, "head")
    torch.testing.assert_close(leaking(faces[:1]), honest(faces[:1]))  # at batch 1, attention is the identity


def test_batch_attention_is_what_keras_computes_of_a_matrix():
    torch.manual_seed(0)
    attention, faces = BatchAttention(), torch.randn(5, 32)
    attention.scale.data.fill_(0.3)
    expected = torch.softmax(0.3 * faces @ faces.T, dim=1) @ faces
    torch.testing.assert_close(attention(faces[:, None])[:, 0], expected)


def test_element_attention_mixes_the_numbers_of_one_feature():
    torch.manual_seed(0)
    attention, tokens = ElementAttention(), torch.randn(3, 1, 32)
    feature = tokens[1, 0]
    expected = torch.softmax(torch.outer(feature, feature), dim=1) @ feature
    torch.testing.assert_close(attention(tokens)[1, 0], expected)


def test_projected_attention_has_queries_keys_and_values():
    torch.manual_seed(0)
    attention, tokens = ProjectedAttention(32), torch.randn(2, 4, 32)
    expected = torch.nn.functional.scaled_dot_product_attention(
        attention.query(tokens), attention.key(tokens), attention.value(tokens)
    )
    torch.testing.assert_close(attention(tokens), expected)


@torch.no_grad()
def test_the_patch_variant_attends_before_the_mean():
    torch.manual_seed(0)
    network = PAttLite(7, variant="patch").eval()
    images = torch.randn(1, 3, 224, 224)
    tokens = network.patch(network.trunk(images)).flatten(2).transpose(1, 2)
    attended = torch.nn.functional.scaled_dot_product_attention(tokens, tokens, tokens).mean(1)
    embedded = network.norm(torch.relu(network.embed(attended[..., None, None]))).flatten(1)
    torch.testing.assert_close(network(images), network.classify(embedded))


def test_what_is_for_research_only_is_not_deployed():
    with pytest.raises(CheckError, match="module 'attention' mixes the faces"):
        get("pattlite").require_deployable("batch")
    get("pattlite").require_deployable(None)
