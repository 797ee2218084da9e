"""A network must answer for each face alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from edgefer.models import get
from edgefer.training.checkpoint import Checkpoint
from edgefer.training.order import FACES, LIMIT, check_order
from edgefer.training.trained import CHUNK, TrainedNetwork
from edgefer_runtime.errors import CheckError

LABELS = np.arange(100) % 4
TRUTH = np.eye(4, dtype=np.float32)[LABELS] * 0.4 + 0.15


class Asked:
    """Answers from a table, and remembers the batches it was asked in."""

    def __init__(self, leak: float = 0.0) -> None:
        self.leak, self.batches = leak, []

    def __call__(self, chosen, batch_size):
        answers = []
        for start in range(0, len(chosen), batch_size):
            batch = chosen[start : start + batch_size]
            self.batches.append(batch)
            answers.append((1 - self.leak) * TRUTH[batch] + self.leak * TRUTH[batch].mean(axis=0))
        return np.concatenate(answers)


def test_an_honest_network_passes_and_was_asked_in_three_orders():
    answer = Asked()
    found = check_order(answer, LABELS, "honest")
    assert (found.images, found.largest_difference) == (FACES, 0)
    by_class, shuffled, alone = answer.batches[:4], answer.batches[4:8], answer.batches[8:]
    assert (np.diff(LABELS[np.concatenate(by_class)]) >= 0).all()
    assert all(len({*LABELS[batch]}) > 1 for batch in shuffled)
    assert [len(batch) for batch in alone] == [1] * FACES
    assert len({face for batch in by_class for face in batch.tolist()}) == FACES


@pytest.mark.parametrize("leak", [0.001, 0.5])
def test_a_leak_is_told_with_the_networks_name_and_its_size(leak):
    with pytest.raises(CheckError, match=rf"leaky .*{0.45 * leak:.1g}"[:-1]) as caught:
        check_order(Asked(leak), LABELS, "leaky (batch)")
    assert caught.value.exit_code == 4


def test_rounding_is_no_leak():
    assert check_order(Asked(1e-6), LABELS, "rounding").largest_difference < LIMIT


def test_numbers_that_are_none_are_no_agreement():
    with pytest.raises(CheckError):
        check_order(lambda chosen, size: np.full((len(chosen), 2), np.nan, np.float32), LABELS, "nothing")


def test_all_faces_are_asked_when_wanted_and_few_when_there_are_few():
    assert check_order(Asked(), LABELS, "honest", everything=True).images == 100
    assert check_order(Asked(), LABELS[:3], "honest").images == 3


def trained(variant: str) -> TrainedNetwork:
    """PAtt-Lite at 96 pixels, fresh but for normalisations that have seen noise."""
    spec = get("pattlite")
    torch.manual_seed(0)
    network = spec.build(variant, 7)
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None
    with torch.no_grad():
        network.train()(torch.randn(8, 3, 96, 96))
    contract = replace(spec.contract, height=96, width=96)
    return TrainedNetwork(Checkpoint("pattlite", variant, tuple("abcdefg"), contract, network.state_dict()))


@pytest.mark.parametrize("variant", ["head", "batch"])
def test_attention_across_the_batch_is_caught(variant):
    images = np.random.default_rng(0).integers(0, 256, (21, 32, 32, 3), dtype=np.uint8)
    network = trained(variant)

    def check():
        return check_order(
            lambda chosen, size: network.predict(images, chosen, batch_size=size), np.arange(21) % 7, variant
        )

    if variant == "batch":
        with pytest.raises(CheckError, match="batch"):
            check()
    else:
        assert check().largest_difference < 1e-5


class InAFile:
    """Images that count how many are read at once."""

    def __init__(self, images: np.ndarray) -> None:
        self.images, self.most = images, 0

    def __getitem__(self, key):
        read = self.images[key]
        self.most = max(self.most, len(read))
        return read


def test_images_are_read_a_few_at_a_time_and_answered_in_the_order_asked():
    images = np.random.default_rng(0).integers(0, 256, (300, 8, 8, 3), dtype=np.uint8)
    spec = get("lanmsff")
    torch.manual_seed(0)
    contract = replace(spec.contract, height=32, width=32)
    weights = spec.build("full", 7).state_dict()
    network = TrainedNetwork(
        Checkpoint("lanmsff", "full", tuple("abcdefg"), contract, weights), batch_size=50
    )
    file, done = InAFile(images), []
    everything = network.predict(file, np.arange(300), on_chunk=done.append)
    assert (file.most, sum(done)) == (CHUNK, 300)
    some = np.array([299, 3, 3, 150])
    np.testing.assert_allclose(network.predict(file, some), everything[some], atol=1e-6)
    assert network.features(file, some).shape == (4, 156)
    assert network.heat_maps(file, some, np.zeros(4, int)).shape == (4, 8, 8)
