"""DSAN's layers against models.md 4.2, and its attention, fusion and cost against the paper."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from edgefer.models import count, get, macs
from edgefer.models.dsan import ALPHA, DSAN, LocalFeatureAttention, SparseAttention

TRUNK_SHAPES = [(64, 56, 56), (64, 56, 56), (128, 28, 28), (256, 14, 14), (512, 7, 7)]
TABLE_7 = {1: 33_536, 2: 16_960, 3: 11_262, 4: 8_672, 5: 6_859, 6: 5_823}


@pytest.fixture(scope="module")
def network() -> DSAN:
    torch.manual_seed(0)
    return DSAN(7)


def test_the_trunk_has_the_settled_shapes_and_counts():
    with torch.device("meta"):
        trunk = DSAN(7).trunk
        features, shapes = torch.empty(1, 3, 224, 224), []
        for part in trunk:
            features = part(features)
            shapes.append(tuple(features.shape[1:]))
    assert shapes == TRUNK_SHAPES
    counts = [sum(weights.numel() for weights in part.parameters()) for part in trunk]
    assert counts == [9_408 + 128, 147_968, 525_568, 2_099_712, 8_393_728]


@pytest.mark.parametrize(("reduction", "printed"), TABLE_7.items())
def test_sparse_attention_has_the_counts_of_table_7(reduction, printed):
    attention = SparseAttention(128, reduction)
    assert sum(weights.numel() for weights in attention.parameters()) == printed


def test_sparse_attention_is_one_matrix_and_a_relu_once_trained():
    torch.manual_seed(0)
    attention, features = SparseAttention(128), torch.randn(64, 128)
    for _ in range(3):
        attention(features)
    weights = attention.eval()(features)
    affine = nn.Sequential(*list(attention)[:4])
    offset = affine(torch.zeros(1, 128))
    matrix = affine(torch.eye(128)) - offset
    torch.testing.assert_close(weights, (features @ matrix + offset).relu(), atol=1e-5, rtol=0)
    assert 0.2 < (weights == 0).float().mean() < 0.8, "the weights are not sparse"


def test_local_attention_is_equations_8_and_9_part_by_part():
    torch.manual_seed(0)
    local, pooled = LocalFeatureAttention(512, 4), torch.randn(3, 512, 1, 1)
    total = torch.zeros(3, 128)
    extract, gate = local.extract[0], local.gate[0]
    for part in range(4):
        rows = slice(128 * part, 128 * (part + 1))
        feature = F.linear(pooled[:, rows, 0, 0], extract.weight[rows, :, 0, 0], extract.bias[rows]).relu()
        weight = F.linear(feature, gate.weight[part, None, :, 0, 0], gate.bias[part, None]).sigmoid()
        total += weight * feature
    torch.testing.assert_close(local(pooled), total)
    gates = local.gate(local.extract(1e3 * pooled))
    assert gates.shape == (3, 4, 1, 1)
    assert 0 <= gates.min() < gates.max() <= 1


def test_the_output_is_the_weighted_mean_of_both_branches_probabilities(network):
    faces = torch.randn(2, 3, 64, 64)
    network.eval()
    with torch.no_grad():
        both, fused = network.branches(faces), network(faces)
    torch.testing.assert_close(fused.sum(1), torch.ones(2))
    of_global, of_local = both.global_logits.softmax(1), both.local_logits.softmax(1)
    torch.testing.assert_close(fused, 0.4 * of_global + 0.6 * of_local)
    assert (both.global_logits - both.local_logits).abs().max() > 1e-4
    assert ALPHA == 0.4


def test_the_global_branch_classifies_the_recalibrated_feature(network):
    with torch.no_grad():
        both = network.eval().branches(torch.randn(2, 3, 64, 64))
        logits = network.classify_global(both.attention * both.embedding)
    assert both.embedding.shape == both.attention.shape == (2, 128)
    assert both.attention.min() >= 0
    torch.testing.assert_close(both.global_logits, logits)


def test_pooling_takes_each_channels_maximum_wherever_it_lies(monkeypatch):
    network, features = DSAN(7).eval(), torch.randn(1, 512, 7, 7)
    framed = F.pad(features, (2, 0, 0, 2), value=features.min().item())
    monkeypatch.setattr(network, "trunk", nn.Identity())
    with torch.no_grad():
        torch.testing.assert_close(network(framed), network(features))


def test_the_smallest_size_is_32_pixels(network):
    assert network.eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 7)


def test_training_reaches_every_weight_through_both_branches():
    torch.manual_seed(0)
    network = DSAN(7)
    both = network.branches(torch.randn(4, 3, 64, 64))
    labels = torch.tensor([0, 1, 2, 3])
    (F.cross_entropy(both.global_logits, labels) + F.cross_entropy(both.local_logits, labels)).backward()
    silent = [name for name, weight in network.named_parameters() if not weight.grad.abs().sum() > 0]
    assert not silent


def test_the_published_flops_follow_from_these_layers():
    """The paper counts 2 a normalised map value, and runs one 512-to-128 layer on the map before pooling."""
    spec, normalised = get("dsan"), 0

    def add(layer, inputs, output):
        nonlocal normalised
        normalised += output.numel()

    with torch.device("meta"):
        network = spec.build("full", 7).eval()
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d | nn.BatchNorm1d):
                layer.register_forward_hook(add)
        network(torch.empty(1, 3, 224, 224))
    flops = macs(spec) + 2 * normalised
    assert f"{flops / 1e6:.2f}" == "1818.68"
    assert f"{(flops + 512 * 128 * 48) / 1e6:.2f}" == "1821.82"


def test_published_parameters_round_to_ours():
    spec = get("dsan")
    assert round(count(spec) / 1e4) * 10**4 == spec.published_parameters
