"""What float networks say of faces: the reference of every drop, asked once, at home."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgefer import __version__
from edgefer.data.faceset import FaceSet
from edgefer.data.synthetic.cache import cache_folder
from edgefer.models import MODELS
from edgefer.pipeline import Report, counting, ignore
from edgefer.pipeline.requirements import missing
from edgefer.pipeline.runs import BEST, RUNS
from edgefer.pipeline.subjects import checkpoints_of
from edgefer_bench.scoring import in_classes_of
from edgefer_runtime.bundle import Bundle
from edgefer_runtime.errors import DataError
from edgefer_runtime.files import replacing

if TYPE_CHECKING:
    from edgefer.training.checkpoint import Checkpoint

Answers = NDArray[np.float32]
"""N x K, columns as the classes of the set."""


def references(
    bundles: Sequence[Bundle], faces: FaceSet, on_progress: Report = ignore
) -> list[Answers | None]:
    """What the network that each bundle was exported from answers, wherever its engine ran.

    A network is known by the sha256 of its weights in the manifest, and looked for under ``runs/`` and among
    those shipped, unless its answers are in the cache: its export left them there.

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
            found[sha256] = _of_network(bundle, sha256, faces, on_progress)
    return [found[_network(bundle)] for bundle in bundles]


def float_answers(checkpoint: Checkpoint, faces: FaceSet, on_progress: Report = ignore) -> Answers:
    """What a checkpoint's network answers, from the cache if it was asked before.

    Args:
        checkpoint: its classes are those of the set, in any order.
        faces: the set.
        on_progress: told how far it is.

    Raises:
        DataError: the cache cannot be written to.
    """
    path = _kept_at(checkpoint.model, str(checkpoint.describe()["sha256"]), faces)
    if (kept := _read(path, faces)) is not None:
        return kept
    from edgefer.training.trained import TrainedNetwork

    advance = counting(on_progress, f"float {checkpoint.model}", len(faces))
    asked = TrainedNetwork(checkpoint).predict(faces.images, np.arange(len(faces)), on_chunk=advance)
    answers = in_classes_of(asked, checkpoint.classes, faces.classes)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, answers)
    return answers


def _network(bundle: Bundle) -> str:
    """sha256 of the weights that a bundle was exported from; empty if it does not say."""
    weights = bundle.manifest.provenance.get("weights")
    return str(weights.get("sha256", "")) if isinstance(weights, Mapping) else ""


def _of_network(bundle: Bundle, sha256: str, faces: FaceSet, on_progress: Report) -> Answers | None:
    model = bundle.manifest.model
    if (kept := _read(_kept_at(model, sha256, faces), faces)) is not None:
        return kept
    if model not in MODELS or missing("train"):
        return None
    from edgefer.training.checkpoint import load_checkpoint

    for path in (*checkpoints_of(model, bundle.manifest.variant), *sorted((RUNS / model).glob(f"*/{BEST}"))):
        try:
            checkpoint = load_checkpoint(path)
        except DataError:  # A damaged one is not the one that was exported.
            continue
        if checkpoint.describe()["sha256"] == sha256:
            return float_answers(checkpoint, faces, on_progress)
    return None


def _kept_at(model: str, sha256: str, faces: FaceSet) -> Path:
    digest = hashlib.sha256(repr((__version__, sha256, faces.fingerprint())).encode())
    return cache_folder() / "answers" / f"{model}-{digest.hexdigest()[:16]}.npy"


def _read(path: Path, faces: FaceSet) -> Answers | None:
    """What is kept at ``path``; None where that is nothing, or damaged."""
    try:
        kept: Answers = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return kept if kept.shape == (len(faces), len(faces.classes)) else None
