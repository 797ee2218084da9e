"""Features before the classifier, and the map that puts like ones together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from edgefer.models.anatomy import Anatomy
from edgefer.training.explain.features import embed, extract_features
from edgefer_runtime.contract import InputContract

CONTRACT = InputContract(8, 8, "RGB", (0.0,) * 3, (255.0,) * 3)


class TwoBranches(nn.Module):
    """Decides by the mean of each colour, and by the brightness."""

    def __init__(self) -> None:
        super().__init__()
        self.by_colour, self.by_brightness = nn.Linear(3, 2), nn.Linear(1, 2)

    def forward(self, images):
        return self.by_colour(images.mean((2, 3))) + self.by_brightness(images.mean((1, 2, 3))[:, None])


def test_features_are_what_the_classifiers_are_given_in_the_order_of_the_faces():
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    network = TwoBranches().eval()
    anatomy = Anatomy((), (network.by_colour, network.by_brightness))
    found = extract_features(network, anatomy, CONTRACT, images, batch_size=2)
    colours = images.mean((1, 2)) / 255
    np.testing.assert_allclose(found, np.hstack([colours, colours.mean(1, keepdims=True)]), atol=1e-5)
    assert not network.by_colour._forward_pre_hooks, "the network is left as it was"


def test_a_map_keeps_neighbours_and_is_the_same_at_every_call():
    pytest.importorskip("sklearn")
    generator = np.random.default_rng(0)
    groups = np.arange(60) % 3
    features = generator.normal(size=(60, 8)).astype(np.float32) + 12 * np.eye(8)[groups].astype(np.float32)
    features[:, 7] = 1  # an element that never changes
    points = embed(features)
    assert points.shape == (60, 2)
    np.testing.assert_array_equal(points, embed(features))
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1) + np.diag(np.full(60, np.inf))
    assert (groups[distances.argmin(1)] == groups).mean() > 0.95


def test_an_element_of_large_numbers_does_not_drown_the_others():
    pytest.importorskip("sklearn")
    features = torch.randn(40, 4, generator=torch.Generator().manual_seed(0)).numpy()
    np.testing.assert_allclose(embed(features * np.float32([1, 1, 1, 2**20])), embed(features), atol=1e-5)


def test_a_few_faces_are_enough_for_a_map():
    pytest.importorskip("sklearn")
    assert np.isfinite(embed(np.eye(10, dtype=np.float32))).all()
