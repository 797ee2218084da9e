"""What the float networks behind bundles say of faces: asked at home, wherever the engines ran."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edgefer import __version__
from edgefer.data.faceset import FaceSet
from edgefer.data.synthetic.cache import cache_folder
from edgefer.models import MODELS
from edgefer.pipeline import Report, counting, ignore
from edgefer.pipeline.requirements import missing
from edgefer.pipeline.subjects import BEST, RUNS, checkpoints_of
from edgefer_bench.scoring import in_classes_of
from edgefer_runtime.bundle import Bundle
from edgefer_runtime.errors import DataError
from edgefer_runtime.files import replacing

Answers = NDArray[np.float32]


def references(
    bundles: Sequence[Bundle], faces: FaceSet, on_progress: Report = ignore
) -> list[Answers | None]:
    """What the network that each bundle was exported from answers: N x K, columns as ``faces.classes``.

    A network is known by the sha256 of its weights in the manifest, and looked for under ``runs/`` and among
    those shipped. Its answers are kept in the cache, so that it is asked once.

    Returns:
        One a bundle, the same array for bundles of one network. None where the network is not at hand, torch
        is not installed to ask it, or the bundle is of an edgefer that did not write down which it was.

    Raises:
        DataError: the cache cannot be written to.
    """
    found: dict[str, Answers | None] = {"": None}
    for bundle in bundles:
        sha256 = _network(bundle)
        if sha256 not in found:
            found[sha256] = _answers(bundle, sha256, faces, on_progress)
    return [found[_network(bundle)] for bundle in bundles]


def _network(bundle: Bundle) -> str:
    """sha256 of the weights that a bundle was exported from; empty if it does not say."""
    weights = bundle.manifest.provenance.get("weights")
    return str(weights.get("sha256", "")) if isinstance(weights, Mapping) else ""


def _answers(bundle: Bundle, sha256: str, faces: FaceSet, on_progress: Report) -> Answers | None:
    digest = hashlib.sha256(repr((__version__, sha256, faces.fingerprint())).encode())
    path = cache_folder() / "answers" / f"{bundle.manifest.model}-{digest.hexdigest()[:16]}.npy"
    try:
        kept: Answers = np.load(path, allow_pickle=False)
        if kept.shape == (len(faces), len(faces.classes)):
            return kept
    except (OSError, ValueError, EOFError):  # Not there yet, or damaged.
        pass
    asked = _ask(bundle, sha256, faces, on_progress)
    if asked is not None:
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.save(file, asked)
    return asked


def _ask(bundle: Bundle, sha256: str, faces: FaceSet, on_progress: Report) -> Answers | None:
    model, variant = bundle.manifest.model, bundle.manifest.variant
    if model not in MODELS or missing("train"):
        return None
    from edgefer.training.checkpoint import load_checkpoint
    from edgefer.training.trained import TrainedNetwork

    for path in (*checkpoints_of(model, variant), *sorted((RUNS / model).glob(f"*/{BEST}"))):
        try:
            checkpoint = load_checkpoint(path)
        except DataError:  # A damaged one is not the one that was exported.
            continue
        if checkpoint.describe()["sha256"] == sha256:
            advance = counting(on_progress, f"float {model}", len(faces))
            answers = TrainedNetwork(checkpoint).predict(
                faces.images, np.arange(len(faces)), on_chunk=advance
            )
            return in_classes_of(answers, checkpoint.classes, faces.classes)
    return None
