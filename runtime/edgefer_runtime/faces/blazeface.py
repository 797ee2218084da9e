"""BlazeFace (Bazarevsky et al., 2019, arXiv:1907.05047): faces and six landmarks of each in one small pass.

The weights lie beside this file as bundles, so that the runtime's own engines open them, whichever of
their libraries is installed. One row an anchor comes out where a classifier has probabilities.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.bundle import Bundle, Manifest
from edgefer_runtime.engines import Engine, open_engine
from edgefer_runtime.errors import MissingError, UsageError
from edgefer_runtime.faces.detection import LANDMARKS, Detection
from edgefer_runtime.faces.letterbox import letterbox
from edgefer_runtime.faces.suppression import merge
from edgefer_runtime.images import check_crop
from edgefer_runtime.suggestions import unknown

WEIGHTS = Path(__file__).parent / "weights"
COLUMNS = (
    *("score", "x", "y", "width", "height"),
    *(f"{landmark} {axis}" for landmark in LANDMARKS for axis in "xy"),
)
"""Of an anchor's row: the score's logit, then pixels from the anchor's centre, or for the size in all."""

GRIDS = {"full-range": ((48, 1),), "back": ((16, 2), (8, 6)), "short-range": ((16, 2), (8, 6))}
"""Model -> cells a side and anchors a cell of each of its grids, in the order of the rows."""
LIBRARIES = {"onnxruntime": {}, "openvino": {"INFERENCE_PRECISION_HINT": "f32"}}
"""Targets whose engines read the weights, in order of preference, and the options of each."""

MIN_SCORE = 0.5
MOST_CANDIDATES = 1000
"""Anchors that are looked at, best first: a bound on the time that a frame takes."""


class BlazeFace:
    """An opened BlazeFace; a :class:`~edgefer_runtime.faces.FaceDetector` for many threads at once.

    Attributes:
        manifest: of the weights: which of :data:`GRIDS` they are (its ``variant``), their sha256 and origin.
        engine: what runs them.
        min_score: faces below it are not told.
    """

    def __init__(self, manifest: Manifest, engine: Engine, min_score: float) -> None:
        self.manifest, self.engine, self.min_score = manifest, engine, min_score
        self._size = manifest.input.height
        self._least_logit = math.log(min_score / (1 - min_score))
        self._centres = _centres(manifest.variant, self._size)

    @classmethod
    def open(
        cls, model: str = "full-range", *, threads: int | None = None, min_score: float = MIN_SCORE
    ) -> BlazeFace:
        """Open the weights that come with the runtime, in ONNX Runtime or, without it, in OpenVINO.

        Args:
            model: ``"full-range"`` (192 pixels), ``"back"`` (256) or ``"short-range"`` (128, near faces).
            threads: threads a call may use; by default the cores this process may use.
            min_score: 0..1, exclusive; faces below it are not told.

        Raises:
            UsageError: no such model, or a ``min_score`` or ``threads`` out of range.
            MissingError: neither library is installed.
        """
        if model not in GRIDS:
            raise unknown("face detector", model, GRIDS)
        if not 0 < min_score < 1:
            raise UsageError(f"faces of score {min_score} and above", expected="a score between 0 and 1")
        bundle = Bundle.open(WEIGHTS / model)
        return cls(bundle.manifest, _open(bundle, threads), min_score)

    def __call__(self, frame: NDArray[np.uint8], /) -> list[Detection]:
        """The faces in a frame, best score first.

        Args:
            frame: uint8, H x W x 3, RGB, of any size.

        Raises:
            DataError: the frame is of another type or shape, or has no pixels.
        """
        check_crop(frame)
        box = letterbox(frame.shape[0], frame.shape[1], self._size)
        rows = self.engine.run(box.fill(frame))[0]
        likely = np.flatnonzero((rows[:, 0] >= self._least_logit) & (rows[:, 3:5] > 0).all(axis=1))
        best = likely[np.argsort(-rows[likely, 0], kind="stable")[:MOST_CANDIDATES]]
        points = rows[best, 1:].reshape(len(best), 2 + len(LANDMARKS), 2)
        points[:, 0] += self._centres[best]
        points[:, 2:] += self._centres[best, None]
        half = points[:, 1] / 2
        points[:, 0], points[:, 1] = points[:, 0] - half, points[:, 0] + half
        scores = 1 / (1 + np.exp(-rows[best, 0]))
        return [
            Detection(face[:2].ravel(), face[2:], float(score))
            for score, face in zip(*merge(scores, box.back(points)), strict=True)
        ]


def _open(bundle: Bundle, threads: int | None) -> Engine:
    """An engine of the first library that is installed."""
    for target, options in LIBRARIES.items():
        manifest = replace(bundle.manifest, target=target, options=options)
        try:
            return open_engine(
                Bundle(bundle.path, bundle.folder, manifest, bundle.certificate), threads=threads
            )
        except MissingError:
            continue
    raise MissingError(
        "no library that runs the face detector is installed",
        expected=f"one of {', '.join(LIBRARIES)}",
        action='pip install "edgefer-runtime[onnxruntime]", or give a detector or boxes of your own',
    )


def _centres(model: str, size: int) -> NDArray[np.float32]:
    """Where the anchors are: x and y in pixels of the network's input, float32 anchors x 2."""
    grids = []
    for cells, anchors in GRIDS[model]:
        line = (np.arange(cells, dtype=np.float32) + np.float32(0.5)) * np.float32(size / cells)
        y, x = np.meshgrid(line, line, indexing="ij")
        grids.append(np.stack([x, y], axis=-1).reshape(-1, 2).repeat(anchors, axis=0))
    return np.concatenate(grids)
