"""Pictures that explain an evaluation: confusion matrix, heat maps, a map of the features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgefer.data.faceset import FaceSet
from edgefer.pipeline import Report, counting
from edgefer.pipeline.faces import require_picture
from edgefer.pipeline.requirements import require
from edgefer_runtime.errors import DataError
from edgefer_runtime.files import replacing

if TYPE_CHECKING:
    from edgefer.training.trained import TrainedNetwork

MAPPED_FACES = 3000
"""Marks on a map of features: more than that hide each other, and t-SNE takes minutes for them."""

FEWEST_MAPPED = 10
"""Faces below which there is no map to speak of."""


@dataclass(frozen=True)
class Pictures:
    """Where to draw each picture to; None leaves it out.

    Attributes:
        confusion: the confusion matrix.
        cam: a sheet of faces and their Grad-CAM; networks only.
        embedding: a t-SNE map of the features; networks only.
    """

    confusion: Path | None = None
    cam: Path | None = None
    embedding: Path | None = None

    def require(self) -> None:
        """Notice before hours of work what would stop a picture after it.

        Raises:
            UsageError: a name does not end as a picture does.
            MissingError: what draws them is not installed.
        """
        for path in (self.confusion, self.cam, self.embedding):
            if path is not None:
                require_picture(path)
        if self.confusion or self.embedding:
            require("report", "drawing a confusion matrix or a map of features")

    def draw(
        self,
        result: Mapping[str, Any],
        faces: FaceSet,
        probabilities: NDArray[np.float32],
        network: TrainedNetwork | None,
        on_progress: Report,
    ) -> None:
        """Draw what was asked for.

        Args:
            result: the evaluation as JSON, with ``subject`` and ``data``.
            faces: what was evaluated.
            probabilities: N x K, columns as the set's classes.
            network: who gave them; None when it was an engine.
            on_progress: told how far the features are.

        Raises:
            DataError: a file cannot be written, or there are too few faces for a map.
        """
        if self.confusion:
            from edgefer_bench.pictures import draw_confusion

            with replacing(self.confusion) as temporary:
                draw_confusion(result, temporary)
        if network is None:
            return
        subject, predicted = str(result["subject"]), probabilities.argmax(axis=1)
        if self.cam:
            _draw_cam(subject, network, faces, probabilities, self.cam)
        if self.embedding:
            _draw_embedding(subject, network, faces, predicted, self.embedding, on_progress)


def _draw_cam(
    subject: str, network: TrainedNetwork, faces: FaceSet, probabilities: NDArray[np.float32], path: Path
) -> None:
    from edgefer.training.explain.sheet import cam_sheet, choose_faces

    predicted = probabilities.argmax(axis=1)
    rows = choose_faces(faces.labels, predicted, len(faces.classes))
    chosen = np.array([index for row in rows for index in row])
    said = [faces.classes[predicted[index]] for index in chosen]
    outputs = np.array([network.checkpoint.classes.index(name) for name in said])
    sheet = cam_sheet(
        f"Grad-CAM of {subject} on {faces.name}",
        rows,
        faces.images,
        network.heat_maps(faces.images, chosen, outputs),
        [faces.classes[faces.labels[index]] for index in chosen],
        [*zip(said, probabilities[chosen].max(axis=1).tolist(), strict=True)],
    )
    with replacing(path) as temporary:
        sheet.save(temporary, quality=90)


def _draw_embedding(
    subject: str,
    network: TrainedNetwork,
    faces: FaceSet,
    predicted: NDArray[np.integer],
    path: Path,
    on_progress: Report,
) -> None:
    from edgefer.training.explain.features import embed
    from edgefer_bench.pictures import draw_embedding

    if len(faces) < FEWEST_MAPPED:
        raise DataError(
            f"{faces.name} has {len(faces)} faces",
            expected=f"at least {FEWEST_MAPPED} for a map of features",
            action="choose a larger set or split, or leave --embedding out",
        )
    count = min(len(faces), MAPPED_FACES)
    chosen = np.linspace(0, len(faces) - 1, count).round().astype(np.intp)
    features = network.features(faces.images, chosen, counting(on_progress, "features", count))
    shown = f"{count:,}" if count == len(faces) else f"{count:,} of {len(faces):,}"
    title = f"features of {subject} on {faces.name}: t-SNE, {shown} faces"
    with replacing(path) as temporary:
        draw_embedding(
            title, embed(features), faces.labels[chosen], predicted[chosen], faces.classes, temporary
        )
