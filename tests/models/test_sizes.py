"""The input sizes that each network says it takes, held to the networks."""

from __future__ import annotations

import pytest
import torch

from edgefer.models import MODELS, get
from edgefer.models.spec import InputSizes, ModelSpec
from edgefer_runtime.errors import UsageError


def around_edges(sizes: InputSizes) -> list[int]:
    """Sizes next to where what is taken begins and ends, and FER2013's."""
    step = sizes.multiple * sizes.reduction
    edges = {sizes.least - 1, sizes.least, 48}
    if sizes.multiple > 1:
        edges = {sizes.least - 1, step, step + 1, 2 * step - sizes.reduction + 1}
    return sorted(edges - {0})


@pytest.mark.parametrize(
    ("spec", "variant"),
    [(spec, variant) for spec in MODELS.values() for variant in spec.variants],
    ids=lambda each: getattr(each, "name", each),
)
def test_a_network_takes_the_sizes_that_its_spec_says_and_no_others(spec: ModelSpec, variant: str) -> None:
    with torch.device("meta"):
        network = spec.build(variant, 7)
    sizes = spec.variant_sizes.get(variant, spec.sizes)
    for size in around_edges(sizes):
        images = torch.empty(2, spec.contract.channels, size, size, device="meta")
        try:
            with torch.no_grad():
                assert network(images).shape == (2, 7)
            taken = True
        except (RuntimeError, ValueError):
            taken = False
        assert (size in sizes) is taken, size


@pytest.mark.parametrize("spec", MODELS.values(), ids=list(MODELS))
def test_the_papers_size_and_fer2013s_where_it_is_taken(spec: ModelSpec) -> None:
    for variant in spec.variants:
        spec.require_size(spec.contract.height, variant)
    if spec.name != "pattlite":
        return
    with pytest.raises(UsageError, match="48 x 48 pixels"):
        spec.require_size(48, None)


def test_lanmsff_takes_fer2013s_size() -> None:
    get("lanmsff").require_size(48, None)


def test_gmslpa_does_not_add_a_point_to_a_map() -> None:
    """At 48 pixels torch would spread a shrunk map's only point over the shortcut's 2 x 2 without a word."""
    with pytest.raises(UsageError, match="choose 32 or 57 pixels"):
        get("gmslpa").require_size(48, None)
    get("gmslpa").require_size(48, "resnet18")


@pytest.mark.parametrize(
    ("sizes", "size", "near"),
    [
        (InputSizes(81), 48, [81]),
        (InputSizes(25, multiple=4, reduction=8), 40, [32, 57]),
        (InputSizes(25, multiple=4, reduction=8), 8, [25]),
        (InputSizes(25, multiple=4, reduction=8), 60, [60, 60]),
    ],
)
def test_the_sizes_next_to_one(sizes: InputSizes, size: int, near: list[int]) -> None:
    assert sizes.near(size) == near
