"""Every variant of every model says where its last maps and its features are, and they are there."""

import pytest
import torch

from edgefer.models import MODELS

EXPECTED = {
    "lanmsff": ([(84, 8, 8)], [156]),
    "pattlite": ([(512, 14, 14)], [32]),
    "fcsdnet": ([(512, 7, 7)], [512]),
    "dsan": ([(512, 7, 7)], [128, 128]),
    "gmslpa": ([(2048, 7, 7), (2048, 7, 7)], [2048, 2048]),
    ("fcsdnet", "max-floor"): ([(512, 6, 6)], [512]),
    ("fcsdnet", "avg-floor"): ([(512, 6, 6)], [512]),
    ("lanmsff", "no-pwfs"): ([(84, 8, 8)], [300]),
    ("lanmsff", "plain"): ([(84, 8, 8)], [300]),
    ("gmslpa", "resnet18"): ([(512, 7, 7), (512, 7, 7)], [512, 512]),
    ("gmslpa", "resnet18-shared"): ([(512, 7, 7), (512, 7, 7)], [512, 512]),
}
"""Last maps of each branch (a patch's, where it cuts faces into patches), and width of each feature."""


@pytest.mark.parametrize(
    ("spec", "variant"),
    [(spec, variant) for spec in MODELS.values() for variant in spec.variants],
    ids=lambda value: getattr(value, "name", value),
)
def test_maps_and_features_are_where_the_model_says(spec, variant):
    with torch.device("meta"):
        network = spec.build(variant, 7).eval()
    anatomy = spec.anatomy(network)
    maps, features = {}, {}
    for module in (module for each in anatomy.maps for module in each.modules):
        module.register_forward_hook(lambda module, _, result: maps.__setitem__(module, tuple(result.shape)))
    for classifier in anatomy.classifiers:
        classifier.register_forward_pre_hook(
            lambda module, inputs: features.__setitem__(module, tuple(inputs[0].shape))
        )
    contract = spec.contract
    network(torch.empty(2, contract.channels, contract.height, contract.width, device="meta"))

    map_shapes, widths = EXPECTED.get((spec.name, variant), EXPECTED[spec.name])
    assert [maps[each.modules[0]][1:] for each in anatomy.maps] == map_shapes
    for each in anatomy.maps:
        assert sum(maps[module][0] for module in each.modules) == 2 * each.grid**2, "a patch is missing"
    assert [features[classifier] for classifier in anatomy.classifiers] == [(2, width) for width in widths]
