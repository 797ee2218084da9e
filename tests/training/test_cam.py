"""Grad-CAM: heat lies where the evidence is, on networks small enough to know where that is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from edgefer.models import get
from edgefer.models.anatomy import Anatomy, Maps
from edgefer.training.explain.cam import grad_cam
from edgefer_runtime.contract import InputContract

SIDE = 32
CONTRACT = InputContract(SIDE, SIDE, "RGB", (0.0,) * 3, (255.0,) * 3)
RED, GREEN = 0, 1
QUADRANTS = [(slice(0, 16), slice(0, 16)), (slice(0, 16), slice(16, 32)),
             (slice(16, 32), slice(0, 16)), (slice(16, 32), slice(16, 32))]  # fmt: skip


class Pooled(nn.Module):
    """Convolutions, the mean over each map, a linear layer: the networks Grad-CAM is exact for."""

    def __init__(self, channels: int = 2) -> None:
        super().__init__()
        self.maps = nn.Sequential(
            nn.Conv2d(3, channels, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(),
        )
        self.classify = nn.Linear(channels, 2)

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.classify(self.maps(images).mean((2, 3)))
        return scores

    @property
    def anatomy(self) -> Anatomy:
        return Anatomy((Maps((self.maps,)),), (self.classify,))


def blobs(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Noisy pictures with a red (0) or green (1) square in one quadrant; which colour, and which quadrant."""
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 80, (count, SIDE, SIDE, 3), dtype=np.uint8)
    labels, places = generator.integers(0, 2, count), generator.integers(0, 4, count)
    for image, label, place in zip(images, labels, places, strict=True):
        rows, columns = QUADRANTS[place]
        image[rows, columns][4:12, 4:12, label] = 250
    return images, labels, places


@pytest.fixture
def telling() -> Pooled:
    """A network that tells red squares from green ones, wherever they are: a map for each colour."""
    network = Pooled().eval()
    first, second = network.maps[0], network.maps[2]
    with torch.no_grad():
        for layer in (first, second, network.classify):
            layer.weight.zero_()
            layer.bias.zero_()
        for colour in (RED, GREEN):
            first.weight[colour, :2] = -1 / 9
            first.weight[colour, colour] = 1 / 9
            second.weight[colour, colour] = 1 / 9
            network.classify.weight[colour, colour] = 1
        first.bias -= 0.1  # noise alone is neither
    return network


def heats(network: Pooled, images: np.ndarray, targets: np.ndarray, **options) -> np.ndarray:
    return grad_cam(network, network.anatomy, CONTRACT, images, targets, **options)


def test_heat_lies_on_what_the_answer_depends_on(telling):
    images, labels, places = blobs(40, seed=2)
    for heat, place in zip(heats(telling, images, labels), places, strict=True):
        rows, columns = QUADRANTS[place]
        assert heat[rows, columns].sum() > 0.8 * heat.sum()
        assert heat[rows, columns].max() == 1


@settings(max_examples=25)
@given(seed=st.integers(0, 1000))
def test_heat_is_between_zero_and_one_and_the_same_at_every_call(seed):
    torch.manual_seed(seed)
    network = Pooled().eval()
    images, labels, _ = blobs(5, seed)
    heat = heats(network, images, labels)
    assert heat.shape == (5, SIDE, SIDE)
    assert heat.dtype == np.float32
    assert heat.min() >= 0
    assert {*heat.max(axis=(1, 2)).tolist()} <= {0.0, 1.0}
    np.testing.assert_array_equal(heat, heats(network, images, labels))


def test_heat_depends_on_neither_batch_nor_scale_nor_frozen_weights(telling):
    images, labels, _ = blobs(6, seed=3)
    expected = heats(telling, images, labels)
    np.testing.assert_allclose(heats(telling, images, labels, batch_size=1), expected, atol=1e-5)
    louder = Pooled().eval()
    louder.load_state_dict(telling.state_dict())
    louder.classify.weight.data *= 7
    louder.classify.bias.data += 3
    np.testing.assert_allclose(heats(louder.requires_grad_(False), images, labels), expected, atol=1e-5)
    assert all(parameter.grad is None for parameter in louder.parameters())


def test_what_speaks_against_a_class_is_cold():
    torch.manual_seed(0)
    network = Pooled()
    network.classify.weight.data[:] = torch.tensor([[1.0, 1.0], [-1.0, -1.0]])
    images, _, _ = blobs(3, seed=4)
    assert heats(network, images, np.array([0, 0, 0])).max() == 1
    assert heats(network, images, np.array([1, 1, 1])).max() == 0


class Probabilities(nn.Module):
    """Another network's softmax."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return torch.softmax(self.network(images), dim=1)


@pytest.mark.parametrize("certainty", [1, 2000])
def test_probabilities_are_explained_as_the_difference_of_their_logits(telling, certainty):
    images, labels, _ = blobs(4, seed=5)
    telling.classify.weight.data *= certainty
    found = grad_cam(
        Probabilities(telling), telling.anatomy, CONTRACT, images, labels, output="probabilities"
    )
    against = Pooled().eval()
    against.load_state_dict(telling.state_dict())
    against.classify.weight.data -= telling.classify.weight.data.flip(0)
    np.testing.assert_allclose(found, heats(against, images, labels), atol=1e-3)


class Patched(Pooled):
    """The same arithmetic on quadrants, by one network for all of them or by one for each."""

    def __init__(self, shared: bool) -> None:
        super().__init__()
        self.maps = nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU())
        self.patches = nn.ModuleList(self.maps if shared else nn.Sequential(*self.maps) for _ in range(4))
        self.shared = shared

    def forward(self, images: Tensor) -> Tensor:
        patches = torch.stack([images[:, :, rows, columns] for rows, columns in QUADRANTS], 1)
        if self.shared:
            maps = self.maps(patches.flatten(0, 1)).reshape(len(images), 4, 2, 16, 16)
        else:
            maps = torch.stack([each(patches[:, i]) for i, each in enumerate(self.patches)], 1)
        scores: Tensor = self.classify(maps.mean((1, 3, 4)))
        return scores

    @property
    def anatomy(self) -> Anatomy:
        modules = (self.maps,) if self.shared else (*self.patches,)
        return Anatomy((Maps(modules, grid=2),), (self.classify,))


@pytest.mark.parametrize("shared", [True, False])
def test_patches_are_put_back_where_they_were_cut(shared):
    torch.manual_seed(0)
    patched = Patched(shared).eval()
    whole = Pooled()
    whole.maps, whole.classify = patched.maps, patched.classify
    images, labels, _ = blobs(3, seed=6)
    np.testing.assert_allclose(heats(patched, images, labels), heats(whole, images, labels), atol=1e-5)


def test_branches_of_different_resolution_count_alike(telling):
    """Two branches with the same maps, one of them at half the size, are as one branch."""

    class Twofold(Pooled):
        def __init__(self) -> None:
            super().__init__()
            self.coarse = nn.AvgPool2d(2)

        def forward(self, images: Tensor) -> Tensor:
            maps = self.maps(images)
            return self.classify((maps.mean((2, 3)) + self.coarse(maps.detach()).mean((2, 3))) / 2)

    twofold = Twofold().eval()
    twofold.load_state_dict(telling.state_dict(), strict=False)
    anatomy = Anatomy((Maps((twofold.maps,)), Maps((twofold.coarse,))), (twofold.classify,))
    images, labels, _ = blobs(4, seed=7)
    both = grad_cam(twofold, anatomy, CONTRACT, images, labels)
    only_coarse = grad_cam(twofold, anatomy._replace(maps=anatomy.maps[1:]), CONTRACT, images, labels)
    only_fine = heats(telling, images, labels)
    assert only_fine.max() == only_coarse.max() == 1
    mean = (only_fine / only_fine.mean((1, 2), keepdims=True)
            + only_coarse / only_coarse.mean((1, 2), keepdims=True))  # fmt: skip
    np.testing.assert_allclose(both, mean / mean.max((1, 2), keepdims=True), atol=0.05)


@pytest.mark.parametrize(
    ("name", "variant", "size"),
    [
        ("lanmsff", "full", 64),
        ("pattlite", "head", 96),
        ("fcsdnet", "max-ceil", 64),
        ("dsan", "full", 64),
        ("gmslpa", "resnet18-shared", 64),
        ("gmslpa", "full", 64),
    ],
)
def test_every_network_of_the_zoo_can_be_explained(name, variant, size):
    torch.manual_seed(0)
    spec = get(name)
    network = spec.build(variant, 7).eval()
    contract = replace(spec.contract, height=size, width=size)
    images = np.random.default_rng(0).integers(0, 256, (2, 40, 40, 3), dtype=np.uint8)
    heat = grad_cam(network, spec.anatomy(network), contract, images, np.array([0, 6]), output=spec.output)
    assert heat.shape == (2, 40, 40)
    assert np.isfinite(heat).all()
    assert heat.max() == 1
    assert np.ptp(heat) > 0
