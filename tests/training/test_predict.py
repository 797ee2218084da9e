"""Predictions: one definition of preprocessing, and no dependence on the batch."""

import numpy as np
import pytest
import torch
from torch import nn

from edgefer.training.predict import predict, preprocess
from edgefer_runtime.contract import InputContract
from edgefer_runtime.preprocess import preprocess as runtime_preprocess

RGB = InputContract(24, 20, "RGB", (127.5, 120.0, 100.0), (127.5, 60.0, 50.0))
GRAY = InputContract(24, 20, "GRAY", (0.0,), (255.0,))


def faces(count: int = 5) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 33, 30, 3), dtype=np.uint8)


@pytest.mark.parametrize("contract", [RGB, GRAY], ids=["RGB", "GRAY"])
def test_preprocessing_is_the_runtimes(contract):
    ours = preprocess(torch.from_numpy(faces()), contract).numpy()
    np.testing.assert_allclose(ours, runtime_preprocess(faces(), contract), atol=1e-5)


def test_probabilities_do_not_depend_on_the_batch_size():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 24 * 20, 4)).eval()
    one, many = (predict(network, RGB, faces(), batch_size=size) for size in (1, 3))
    assert one.dtype == np.float32
    assert one.shape == (5, 4)
    np.testing.assert_allclose(one, many, atol=1e-6)
    np.testing.assert_allclose(one.sum(1), 1, atol=1e-6)


def test_a_network_that_returns_probabilities_gets_no_second_softmax():
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 24 * 20, 4), nn.Softmax(1)).eval()
    given = predict(network, RGB, faces(), output="probabilities")
    with torch.no_grad():
        np.testing.assert_allclose(
            given, network(preprocess(torch.from_numpy(faces()), RGB)).numpy(), atol=1e-6
        )
