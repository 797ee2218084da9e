"""Accuracy of a model, a checkpoint or a bundle on a face set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer.data.faceset import FaceSet
from edgefer.pipeline import Report, ignore
from edgefer.pipeline.faces import load_faces, notice
from edgefer.pipeline.subjects import find_checkpoint, is_bundle
from edgefer_bench.metrics import evaluate as evaluate_predictions
from edgefer_bench.scoring import check_classes
from edgefer_bench.scoring import predict as predict_bundle


def evaluate(subject: str, data: str, on_progress: Report = ignore) -> dict[str, Any]:
    """Evaluate ``subject`` on the face set ``data``.

    Returns:
        The evaluation as JSON (:class:`edgefer_bench.metrics.Evaluation`) with ``subject``, ``data``,
        ``classes`` and ``notice``.

    Raises:
        UsageError, DataError: no such subject or set, or classes that differ.
        MissingError: what the subject needs is not installed.
    """
    faces = load_faces(data, on_progress)
    bundle = is_bundle(Path(subject))
    probabilities, parameters = (
        _of_bundle(subject, faces, on_progress) if bundle else _of_network(subject, faces)
    )
    evaluation = evaluate_predictions(
        probabilities, faces.labels, classes=faces.classes, attributes=faces.attributes, parameters=parameters
    )
    described = {"subject": subject, "data": faces.name, "classes": faces.classes, "notice": notice(data)}
    return {**described, **evaluation.to_json()}


def _of_bundle(path: str, faces: FaceSet, on_progress: Report) -> tuple[NDArray[np.float32], int]:
    from edgefer_runtime import Classifier

    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        on_progress("accuracy", done, len(faces))

    with Classifier.open(path) as classifier:
        return predict_bundle(classifier, faces, advance), classifier.bundle.manifest.parameters


def _of_network(name: str, faces: FaceSet) -> tuple[NDArray[np.float32], int]:
    checkpoint, path = find_checkpoint(name)
    from edgefer.models import count, get
    from edgefer.training.predict import predict

    check_classes(checkpoint.classes, path, faces)
    spec = get(checkpoint.model)
    probabilities = predict(checkpoint.network(), checkpoint.contract, faces.images, output=spec.output)
    columns = [checkpoint.classes.index(name) for name in faces.classes]
    return probabilities[:, columns], count(spec, checkpoint.variant, len(checkpoint.classes))
