"""Preprocessing: the graph prepares a crop as the runtime's definition does, at several crop sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgefer_export.checks.check import Check
from edgefer_export.graph import INPUT
from edgefer_export.sessions import onnxruntime_session, openvino_session
from edgefer_runtime.contract import InputContract
from edgefer_runtime.preprocess import preprocess

if TYPE_CHECKING:
    from onnx import ModelProto

LIMIT = 0.02
"""Engines round coordinates to float32 differently: up to 4e-5 of a pixel at 300, with 255 levels across."""
CROPS = ((64, 64), (128, 128), (180, 140), (224, 224), (300, 300))
PREFIX = "preprocess/"


def preprocessing(model: ModelProto, faces: NDArray[np.uint8], contract: InputContract) -> list[Check]:
    """Largest difference of the network's input, in grey levels, over :data:`CROPS`; one row an engine.

    The crops are faces tiled or cut to each size, so that they hold edges and gradients.
    """
    prefix = preprocessing_graph(model)
    std = np.array(contract.std, dtype=np.float32)[:, None, None]
    crops = [_crop(faces[index % len(faces)], *size) for index, size in enumerate(CROPS)]
    checks = []
    for engine, session in (("onnxruntime", onnxruntime_session), ("openvino", openvino_session)):
        run = session(prefix)
        worst = max(float((np.abs(run(crop) - preprocess(crop, contract)) * std).max()) for crop in crops)
        sizes = ", ".join(f"{height} x {width}" for height, width in CROPS)
        checks.append(
            Check.at_most(f"preprocessing/{engine}", worst, LIMIT, "grey levels", f"crops of {sizes}")
        )
    return checks


def preprocessing_graph(model: ModelProto) -> bytes:
    """The part of the graph before the network, as a model of its own."""
    import onnx

    last = [node for node in model.graph.node if node.name.startswith(PREFIX)][-1]
    extractor = onnx.utils.Extractor(model)
    prefix: bytes = extractor.extract_model([INPUT], [last.output[0]]).SerializeToString()
    return prefix


def _crop(face: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    tiles = (-(-height // face.shape[0]), -(-width // face.shape[1]), 1)
    return np.ascontiguousarray(np.tile(face, tiles)[None, :height, :width])
