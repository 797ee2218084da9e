"""Where a graph that answers otherwise than its network begins to: a module to look at, not just a number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgefer_export.checks.batch import module_outputs
from edgefer_export.probe import probe
from edgefer_runtime.contract import InputContract
from edgefer_runtime.preprocess import preprocess

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import nn

LIMIT = 1e-3
"""Relative to the largest value of a module's output."""


def first_departure(
    network: nn.Module, model: ModelProto, face: NDArray[np.uint8], contract: InputContract
) -> str:
    """The first module whose output for ``face``, uint8 H x W x 3, is nowhere in the graph.

    What comes right before a normalisation is passed over, for the exporter folds the two into one.
    """
    import torch

    held: dict[tuple[int, ...], list[NDArray[Any]]] = defaultdict(list)
    names = [node.output[0] for node in model.graph.node]
    for value in next(probe(model, names, face[None])).values():
        held[value.shape].append(value)
    outputs = module_outputs(network, torch.from_numpy(preprocess(face[None], contract)))
    for name in _unfolded(network, [*outputs]):
        expected = outputs[name].numpy()
        limit = LIMIT * np.abs(expected).max()
        if not any(np.abs(value - expected).max() <= limit for value in held[expected.shape]):
            return f"the first that differs is module {name!r}"
    return "no module differs, so preprocessing or the last operation does"


def _unfolded(network: nn.Module, finished: list[str]) -> Iterator[str]:
    """Those of ``finished``, modules in the order they finish, that no normalisation follows at once."""
    from torch.nn.modules.batchnorm import _BatchNorm

    modules = dict(network.named_modules())
    for name, following in zip(finished, [*finished[1:], ""], strict=True):
        if not isinstance(modules.get(following), _BatchNorm) or not following:
            yield name
