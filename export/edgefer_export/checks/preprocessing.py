"""Preprocessing: the graph prepares a crop as the runtime's definition does, at several crop sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgefer_export.checks.check import Check
from edgefer_export.passes.reading import axes
from edgefer_runtime.contract import INPUT, PREPROCESSING, InputContract
from edgefer_runtime.preprocess import preprocess

if TYPE_CHECKING:
    from collections.abc import Callable

    from onnx import ModelProto

    from edgefer_export.sessions import Run

LIMIT = 0.02
"""Engines round coordinates to float32 differently: up to 4e-5 of a pixel at 300, with 255 levels across."""
CROPS = ((64, 64), (128, 128), (180, 140), (224, 224), (300, 300))


def preprocessing(
    engine: str,
    session: Callable[[bytes], Run],
    model: ModelProto,
    faces: NDArray[np.uint8],
    contract: InputContract,
) -> Check:
    """Largest difference of the network's input, in grey levels, over :data:`CROPS`.

    The crops are faces tiled or cut to each size, so that they hold edges and gradients.
    """
    run = session(preprocessing_graph(model))
    std = np.array(contract.std, dtype=np.float32)[:, None, None]
    worst = 0.0
    for index, size in enumerate(CROPS):
        crops = _crops(np.roll(faces, -index, axis=0), *size, batch=_static_batch(model))
        worst = max(worst, float((np.abs(run(crops) - preprocess(crops, contract)) * std).max()))
    sizes = ", ".join(f"{height} x {width}" for height, width in CROPS)
    return Check.at_most(f"preprocessing/{engine}", worst, LIMIT, "grey levels", f"crops of {sizes}")


def preprocessing_graph(model: ModelProto) -> bytes:
    """The part of the graph before the network, as a model of its own."""
    import onnx

    last = [node for node in model.graph.node if node.name.startswith(PREPROCESSING)][-1]
    extractor = onnx.utils.Extractor(model)
    prefix: bytes = extractor.extract_model([INPUT], [last.output[0]]).SerializeToString()
    return prefix


def _static_batch(model: ModelProto) -> int:
    batch = axes(model.graph.input[0])[0]
    return batch if isinstance(batch, int) else 1


def _crops(faces: NDArray[np.uint8], height: int, width: int, batch: int) -> NDArray[np.uint8]:
    tiles = (1, -(-height // faces.shape[1]), -(-width // faces.shape[2]), 1)
    return np.ascontiguousarray(np.tile(faces[:batch], tiles)[:, :height, :width])
