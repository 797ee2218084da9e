"""The features a network decides by, and a map on which faces with like features lie together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgefer.models.anatomy import Anatomy
from edgefer.training.predict import predict
from edgefer_runtime.contract import InputContract
from edgefer_runtime.images import Images

PERPLEXITY = 30.0
"""Neighbours that t-SNE keeps close, as its authors advise (5 to 50)."""


def extract_features(
    network: nn.Module,
    anatomy: Anatomy,
    contract: InputContract,
    images: Images,
    *,
    batch_size: int | None = None,
    device: torch.device | str = "cpu",
) -> NDArray[np.float32]:
    """What the classifier is given for each face; of several classifiers, side by side.

    Args:
        network: in evaluation mode and on ``device``.
        anatomy: where its classifiers are.
        contract: what it takes.
        images: uint8, N x H x W x 3, RGB.
        batch_size: faces computed at once; None for what suits the device.
        device: where to compute.

    Returns:
        float32, N x D.
    """
    with _recording(anatomy) as given:
        predict(network, contract, images, batch_size=batch_size, device=device)
    return torch.cat([torch.cat(each).flatten(1) for each in given], 1).numpy()


def embed(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """A plane map of features by t-SNE: N x D -> N x 2, the same at every call.

    L. van der Maaten, G. Hinton, "Visualizing Data using t-SNE", 2008. Neighbours mean something; distances
    between groups, and their sizes, mean little.
    """
    from sklearn.manifold import TSNE  # type: ignore[import-untyped]

    # Elements of different branches differ in size; none shall count more for it.
    spread = features.std(axis=0)
    standard = (features - features.mean(axis=0)) / np.where(spread > 0, spread, 1)
    tsne = TSNE(perplexity=min(PERPLEXITY, (len(features) - 1) / 3), init="pca", random_state=0)
    points: NDArray[np.float32] = tsne.fit_transform(standard)
    return points


@contextmanager
def _recording(anatomy: Anatomy) -> Iterator[list[list[Tensor]]]:
    """What each classifier is given while the block runs, a tensor a batch."""
    given: list[list[Tensor]] = [[] for _ in anatomy.classifiers]

    def recorder(into: list[Tensor]) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        return lambda _, inputs: into.append(inputs[0].float().cpu())

    handles = [
        classifier.register_forward_pre_hook(recorder(into))
        for classifier, into in zip(anatomy.classifiers, given, strict=True)
    ]
    try:
        yield given
    finally:
        for handle in handles:
            handle.remove()
