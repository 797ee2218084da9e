"""What engines are worth on a face set, before they are published."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer.data.faceset import FaceSet
from edgefer.pipeline import Report, counting
from edgefer.pipeline.references import Answers
from edgefer_bench.metrics import evaluate
from edgefer_bench.scoring import drops, predict
from edgefer_runtime.bundle import Bundle
from edgefer_runtime.engines.tensorrt_plan import ONNX


def score_drafts(
    drafts: Sequence[Bundle], faces: FaceSet, network: Answers, on_progress: Report
) -> list[dict[str, Any]]:
    """Accuracy of every draft and its drop: what a manifest keeps as ``accuracy``.

    Args:
        drafts: bundles of one network.
        faces: what they label.
        network: what the float network answers: N x K, columns as ``faces.classes``.
        on_progress: told how far it is.
    """
    from edgefer_runtime import Classifier

    advance = counting(on_progress, "accuracy", len(drafts) * len(faces))
    predictions, providers = [], []
    answers: dict[str, NDArray[np.float32]] = {}
    for draft in drafts:
        # A plan for another machine's GPU cannot run here: its ONNX answers for it, and the score says so.
        classifier = Classifier.open(draft, allow_fallback=True)
        provider = classifier.engine.provider
        sha256 = {file.path: file.sha256 for file in draft.manifest.files}
        # TensorRT and TensorRT-RTX have the same ONNX, which need not answer twice.
        answering = sha256[ONNX] if "in place of" in provider else str(draft.path)
        if answering in answers:
            advance(len(faces))
        else:
            answers[answering] = predict(classifier, faces, advance)
        predictions.append(answers[answering])
        providers.append(provider)
    measured = [
        evaluate(
            probabilities,
            faces.labels,
            classes=faces.classes,
            attributes=faces.attributes,
            parameters=draft.manifest.parameters,
        )
        for draft, probabilities in zip(drafts, predictions, strict=True)
    ]
    lost = drops(drafts, predictions, faces, [network] * len(drafts))
    data = {"data": faces.name, "images": len(faces), "fingerprint": faces.fingerprint()}
    return [
        {**data, "engine": provider, "evaluation": evaluation.to_json(), "drop": drop}
        for provider, evaluation, drop in zip(providers, measured, lost, strict=True)
    ]
