"""GMS-LPA's layers against models.md 5.2, its units against the paper's equations, its batch in a graph."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from edgefer.models import count, get
from edgefer.models.gmslpa import (
    ALPHA,
    GMSLPA,
    RESNET18,
    RESNET50,
    LocalBranch,
    PatchGate,
    SymmetricMultiScale,
    multi_scale_bottleneck,
    quadrants,
)


@pytest.fixture(scope="module")
def small() -> GMSLPA:
    torch.manual_seed(0)
    return GMSLPA(7, form=RESNET18, shared=True)


def parameters(part: nn.Module) -> int:
    return sum(weights.numel() for weights in part.parameters())


def shapes_and_counts(units, features):
    found = []
    for unit in units:
        features = unit(features)
        found.append((tuple(features.shape[1:]), parameters(unit)))
    return found, features


def test_layers_have_the_settled_shapes_and_counts():
    with torch.device("meta"):
        network = GMSLPA(7, form=RESNET50, shared=False).eval()
        trunk, features = shapes_and_counts(network.trunk, torch.empty(1, 3, 224, 224))
        whole, _ = shapes_and_counts([*network.whole[0], *network.whole[1]], features)
        patch = quadrants(features)[:, 0]
        local = [shapes_and_counts([*branch[0], *branch[1]], patch)[0] for branch in network.local.networks]
    assert trunk == [((64, 56, 56), 9_536), ((256, 56, 56), 215_808), ((512, 28, 28), 1_219_584)]
    assert whole == [
        ((1024, 14, 14), 1_482_240),
        ((1024, 14, 14), 1_086_976),
        ((2048, 7, 7), 5_913_600),
        ((2048, 7, 7), 4_336_640),
    ]
    assert patch.shape[1:] == (512, 14, 14)
    assert local == 4 * [
        [
            ((1024, 7, 7), 1_512_467),
            ((1024, 7, 7), 1_117_203),
            ((2048, 7, 7), 6_039_571),
            ((2048, 7, 7), 4_462_611),
        ]
    ]
    assert parameters(network.classify_global) == parameters(network.classify_local) == 14_343


def test_six_classes_and_the_published_count():
    spec = get("gmslpa")
    assert count(spec, "full", 6) == 66_816_380
    assert abs(count(spec) / spec.published_parameters - 1) < 0.007


def test_multi_scale_is_equations_1_to_3():
    torch.manual_seed(0)
    unit, x = SymmetricMultiScale(16, 24).eval(), torch.randn(2, 16, 5, 5)
    n, X = 4, [None, *x.split(4, dim=1)]
    positive, negative = [None] * (n + 2), [None] * (n + 2)
    for i in range(1, n + 1):
        positive[i] = unit.positive[i - 1](X[i] if i == 1 else X[i] + positive[i - 1])
    for i in range(n, 0, -1):
        negative[i] = unit.negative[i - 1](X[i] if i == n else X[i] + negative[i + 1])
    directions = torch.cat(positive[1 : n + 1], 1), torch.cat(negative[1 : n + 1], 1)
    expected = unit.expand_positive(directions[0]) + unit.expand_negative(directions[1])
    torch.testing.assert_close(unit(x), expected)
    unit.expand_positive, unit.expand_negative = nn.Identity(), nn.Identity()
    torch.testing.assert_close(unit(x), sum(directions))


def test_the_gate_is_equation_4_at_the_nearest_pixel():
    torch.manual_seed(0)
    unit, features = PatchGate(), 3 * torch.randn(2, 8, 7, 7)
    gate = unit.gate(features)
    assert gate.shape == (2, 1, 7, 7)
    assert 0 < gate.min() < gate.max() < 1
    described = torch.stack([features.mean(1), features.max(1).values], 1)
    coarse = unit.conv(described).sigmoid()
    index = torch.tensor([0, 0, 1, 1, 2, 2, 3])
    torch.testing.assert_close(gate, coarse[:, :, index][..., index])
    torch.testing.assert_close(unit(features), features * gate)


@pytest.mark.parametrize("form", [RESNET50, RESNET18], ids=["resnet50", "resnet18"])
def test_every_local_unit_gates_its_body_before_the_shortcut(form):
    with torch.device("meta"):
        network = GMSLPA(7, form=form, shared=True)
    units = [*network.local.networks[0][0], *network.local.networks[0][1]]
    assert [type(unit.body[-1]) for unit in units] == 4 * [PatchGate]


def test_a_striding_multi_scale_unit_averages_2_by_2():
    torch.manual_seed(0)
    body, features = multi_scale_bottleneck(8, 32, 2).eval(), torch.randn(2, 8, 6, 6)
    reduced = body[0](features)
    halved = reduced.reshape(2, 8, 3, 2, 3, 2).mean((3, 5))
    torch.testing.assert_close(body(features), body[-1](halved))


def test_quadrants_are_read_row_by_row_within_each_face():
    features = torch.arange(2 * 3 * 4 * 6).reshape(2, 3, 4, 6)
    patches = quadrants(features)
    assert patches.shape == (2, 4, 3, 2, 3)
    cut = [features[..., :2, :3], features[..., :2, 3:], features[..., 2:, :3], features[..., 2:, 3:]]
    assert torch.equal(patches, torch.stack(cut, 1))


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "separate"])
def test_the_local_branch_is_the_mean_of_the_reunited_map(shared):
    torch.manual_seed(0)
    networks = [nn.Conv2d(3, 5, 3, padding=1) for _ in range(1 if shared else 4)]
    features = torch.randn(2, 3, 4, 6)
    maps = [(networks * 4)[i](patch) for i, patch in enumerate(quadrants(features).unbind(1))]
    reunited = torch.cat([torch.cat(maps[:2], 3), torch.cat(maps[2:], 3)], 2)
    torch.testing.assert_close(LocalBranch(networks)(features), reunited.mean((2, 3)))


def test_one_network_for_all_computes_what_four_copies_of_it_do(small):
    separate = GMSLPA(7, form=RESNET18, shared=False)
    weights = small.state_dict()
    copies = {
        name.replace("networks.0.", f"networks.{i}."): value
        for name, value in weights.items()
        for i in range(4)
    }
    separate.load_state_dict(copies)
    faces = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(small.eval()(faces), separate.eval()(faces), atol=1e-5, rtol=0)


def test_the_decision_weighs_logits_as_the_loss_does(small):
    faces = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        both, logits = small.eval().branches(faces), small(faces)
    torch.testing.assert_close(logits, 0.6 * both.local_logits + 0.4 * both.global_logits)
    assert ALPHA == 0.6


def test_training_reaches_every_weight_through_both_branches():
    torch.manual_seed(0)
    network = GMSLPA(7, form=RESNET18, shared=True)
    both, labels = network.branches(torch.randn(2, 3, 64, 64)), torch.tensor([0, 1])
    (F.cross_entropy(both.global_logits, labels) + F.cross_entropy(both.local_logits, labels)).backward()
    silent = [name for name, weight in network.named_parameters() if not weight.grad.abs().sum() > 0]
    assert not silent


@pytest.mark.parametrize("networks", [1, 4], ids=["shared", "separate"])
def test_the_batch_stays_free_in_an_exported_graph(networks):
    branch = LocalBranch([nn.Conv2d(3, 5, 3) for _ in range(networks)])
    batch = torch.export.Dim("batch")
    program = torch.export.export(branch, (torch.zeros(2, 3, 8, 8),), dynamic_shapes=({0: batch},))
    faces = torch.randn(5, 3, 8, 8)
    torch.testing.assert_close(program.module()(faces), branch(faces))
