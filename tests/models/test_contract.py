"""What every model of the zoo owes, in one body for all of them and all their variants."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from edgefer.models import MODELS, ModelSpec, count, get, keras_total, macs

VARIANTS = [(spec, variant) for spec in MODELS.values() for variant in spec.variants]
each_variant = pytest.mark.parametrize(
    ("spec", "variant"), VARIANTS, ids=lambda value: getattr(value, "name", value)
)

FIGURES = {
    ("lanmsff", "full"): (356_294, 356_451, 300.6),
    ("lanmsff", "no-pwfs"): (357_302, 357_603, 300.6),
    ("lanmsff", "no-massatt"): (349_417, 349_574, 300.6),
    ("lanmsff", "plain"): (350_425, 350_726, 300.6),
    ("pattlite", "head"): (1_093_000, 1_093_033, 336.8),
    ("pattlite", "none"): (1_092_999, 1_093_032, 336.8),
    ("pattlite", "patch"): (1_093_000, 1_093_033, 336.8),
    ("pattlite", "feat"): (1_093_000, 1_093_033, 336.8),
    ("pattlite", "head-qkv"): (1_096_167, 1_096_200, 336.8),
    ("pattlite", "batch"): (1_093_000, 1_093_033, 336.8),
    ("fcsdnet", "max-ceil"): (4_284_105, 4_284_618, 314.2),
    ("fcsdnet", "avg-ceil"): (4_284_105, 4_284_618, 314.2),
    ("fcsdnet", "max-floor"): (4_284_105, 4_284_618, 255.4),
    ("fcsdnet", "avg-floor"): (4_284_105, 4_284_618, 255.4),
    ("dsan", "full"): (11_327_506, 11_327_764, 1813.7),
    ("gmslpa", "full"): (66_820_478, 66_824_576, 5615.7),
    ("gmslpa", "shared-patch"): (27_424_922, 27_429_020, 5615.7),
    ("gmslpa", "resnet18"): (50_211_710, 50_212_736, 3637.6),
    ("gmslpa", "resnet18-shared"): (18_731_162, 18_732_188, 3637.6),
}
"""Trainable parameters for seven and for eight classes, and millions of multiply-adds for one face."""

SELECTIONS = {"argsort", "kthvalue", "masked_select", "median", "nonzero", "sort", "topk", "unique"}
"""Operators that engines lack, or compute on the host."""


@each_variant
def test_parameters_and_multiply_adds_are_the_settled_ones(spec, variant):
    seven, eight, millions = FIGURES[spec.name, variant]
    assert (count(spec, variant, 7), count(spec, variant, 8)) == (seven, eight)
    assert macs(spec, variant) / 1e6 == pytest.approx(millions, abs=0.051)


def without_normalisation(spec: ModelSpec) -> int:
    norms = (nn.BatchNorm1d, nn.BatchNorm2d)
    layers = [layer for layer in on_meta(spec, None, 7).modules() if not isinstance(layer, norms)]
    return sum(value.numel() for layer in layers for value in layer.parameters(recurse=False))


@pytest.mark.parametrize(
    ("name", "convention"),
    [("lanmsff", keras_total), ("pattlite", keras_total), ("fcsdnet", without_normalisation)],
)
def test_the_published_count_follows_from_its_convention(name, convention):
    assert convention(get(name)) == get(name).published_parameters


@each_variant
def test_one_score_for_each_class(spec, variant):
    assert on_meta(spec, variant, 6)(faces(spec, 3, device="meta")).shape == (3, 6)


@each_variant
def test_nothing_is_sorted_or_selected_by_value(spec, variant):
    with Operators() as operators:
        on_meta(spec, variant, 7).eval()(faces(spec, 1, device="meta"))
    assert "convolution" in operators.names
    assert not operators.names & SELECTIONS


DEPLOYABLE = [(spec, variant) for spec, variant in VARIANTS if variant not in spec.research_variants]


@pytest.mark.parametrize(("spec", "variant"), DEPLOYABLE, ids=lambda value: getattr(value, "name", value))
def test_a_face_does_not_depend_on_its_batch(spec, variant):
    network = settled(spec, variant)
    batch = faces(spec, 3)
    with torch.no_grad():
        alone, pair, mirrored = network(batch[:1]), network(batch[:2]), network(batch.flip(0))
        again = network(batch[:1])
    assert torch.equal(again, alone), "evaluation is not deterministic"
    torch.testing.assert_close(pair[:1], alone, atol=1e-5, rtol=0)
    torch.testing.assert_close(mirrored[-1:], alone, atol=1e-5, rtol=0)
    assert (pair[1] - alone[0]).abs().max() > 1e-4, "two different faces get the same scores"


@each_variant
def test_a_fresh_network_can_be_trained(spec, variant):
    torch.manual_seed(0)
    network = spec.build(variant, 7).train()
    loss = nn.functional.cross_entropy(network(faces(spec, 2)), torch.tensor([0, 6]))
    loss.backward()
    assert loss < 2 * math.log(7), "the first guess is far worse than chance"
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, f"{name} takes no part"
        assert parameter.grad.isfinite().all(), name
    first = next(network.parameters()).grad
    assert first is not None
    assert first.abs().max() > 1e-6, "no gradient reaches the first layer"


def on_meta(spec: ModelSpec, variant: str | None, classes: int) -> nn.Module:
    with torch.device("meta"):
        return spec.build(variant, classes)


def faces(spec: ModelSpec, count: int, device: str = "cpu") -> Tensor:
    torch.manual_seed(1)
    contract = spec.contract
    return torch.randn(count, contract.channels, contract.height, contract.width, device=device)


def settled(spec: ModelSpec, variant: str) -> nn.Module:
    """A network whose normalisations have seen faces, so that its scores have a natural size."""
    torch.manual_seed(0)
    network = spec.build(variant, 7)
    for layer in network.modules():
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            layer.momentum = None
    with torch.no_grad():
        network.train()(faces(spec, 4))
    return network.eval()


class Operators(TorchDispatchMode):
    """The names of the operators that run inside."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.add(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))
