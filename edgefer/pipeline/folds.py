"""Cross-validation: `edgefer train --folds K`, a training for each fold of people."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgefer.data.faceset import FaceSet
from edgefer.data.folds import Fold, hold_out, image_folds, subject_folds
from edgefer.data.leakage import guard
from edgefer.data.lookalikes import measured
from edgefer.data.registry import find
from edgefer.models import count, get
from edgefer.pipeline import Report, ignore
from edgefer.pipeline.faces import load_faces
from edgefer.pipeline.planning import (
    Apart,
    Folds,
    TrainingPlan,
    TrainSettings,
    choose_recipe,
    plan_training,
)
from edgefer.pipeline.runs import FOLDS, STATE
from edgefer.pipeline.train import (
    HELD_OUT,
    TrainingFaces,
    predict_with,
    train_on,
    without_copies,
)
from edgefer.pipeline.training_set import open_training_set
from edgefer.training.differences import differences, listed
from edgefer.training.exhaustion import memory_told
from edgefer_bench.metrics import evaluate
from edgefer_runtime.documents import read_json, require_schema
from edgefer_runtime.errors import DataError, UsageError
from edgefer_runtime.files import write_whole

if TYPE_CHECKING:
    from edgefer.training.progress import Progress, StageStart

SCHEMA = "edgefer.folds/1"
TESTED = "test.npy"
"""Probabilities of a fold's test faces, float32, N x K."""


def cross_validate(
    settings: TrainSettings,
    k: int,
    *,
    apart: Apart = "subject",
    on_progress: Report = ignore,
    on_stage: Callable[[StageStart], None] = lambda _: None,
    on_step: Callable[[Progress], None] = lambda _: None,
    on_note: Callable[[str], None] = lambda _: None,
) -> tuple[Path, dict[str, Any]]:
    """Train ``k`` networks, each tested on the people that the others were trained with.

    The best epoch of a fold is chosen with faces held out of its training part, whole people again, so
    that no tested face steers anything. What the run folder receives: ``fold-1`` to ``fold-K``, each a
    training with ``test.npy`` (probabilities of its test faces), and ``folds.json``.
    ``--resume`` keeps finished folds and goes on with the one that was interrupted.

    Args:
        settings: the training; ``data`` is dealt into folds whole, whatever its official splits.
        k: number of folds; 5 is usual for KDEF, 10 for CK+.
        apart: ``"subject"`` keeps people apart, ``"image"`` only pictures, as some papers did; the latter
            measures, in part, how well the network remembers faces.
        on_progress, on_stage, on_step, on_note: as in :func:`edgefer.pipeline.train.train_model`.

    Returns:
        The path of folds.json and its content: ``protocol``, ``folds`` (faces, accuracies in percent), their
        ``mean`` and sample standard deviation ``std``, and ``pooled``, the evaluation of all faces, each by
        the network that did not know it.

    Raises:
        UsageError: ``--validation`` with folds, or another cross-validation was to be resumed.
        DataError: fewer people than folds, none named, or a picture on both sides of a fold.
        DeviceError, MissingError, CheckError: as in training.
    """
    plan = plan_training(settings, Folds(k, apart), on_note)
    with plan.underway(on_note):
        with memory_told("while faces were loaded"):
            name = "synthfer:train" if settings.data == "synthfer" else settings.data
            place = find(name)
            faces = measured(
                load_faces(name, on_progress)
                if place is None
                else open_training_set(place, settings.partial, dealt=True).load(on_progress=on_progress)
            )
        return _cross_validate(plan, faces, on_stage, on_step, on_note)


def _cross_validate(
    plan: TrainingPlan,
    faces: FaceSet,
    on_stage: Callable[[StageStart], None],
    on_step: Callable[[Progress], None],
    on_note: Callable[[str], None],
) -> tuple[Path, dict[str, Any]]:
    assert plan.folds is not None
    spec, settings, out = plan.spec, plan.settings, plan.folder
    k, apart = plan.folds.number, plan.folds.apart
    folds = (subject_folds if apart == "subject" else image_folds)(faces, k, settings.seed)
    path = out / FOLDS
    result = _begin(path, _describe(settings, faces, k, apart), resume=settings.resume)
    finished: list[dict[str, Any]] = result["folds"]
    for number, fold in enumerate(folds[len(finished) :], len(finished) + 1):
        on_note(f"fold {number} of {k}: {len(fold[0]):,} faces to train with, {len(fold[1]):,} to test with")
        folder = out / f"fold-{number}"
        name = f"{faces.name} fold {number}"
        kept, held = hold_out(faces.take(fold[0], name), HELD_OUT, settings.seed)
        parts = TrainingFaces(kept, held, faces.take(fold[1], f"{name} (tested)"))
        if settings.drop_duplicates:
            parts = without_copies(parts, on_note)
        kept, held, tested = parts.train, parts.validation, parts.test
        assert tested is not None
        if apart == "subject":
            guard(kept, held, tested)
        begun = settings.resume and (folder / STATE).exists()
        if not begun and not plan.place.rank:  # Ended in its first epoch: nothing to go on from.
            shutil.rmtree(folder, ignore_errors=True)
        _write(path, result)
        best, validation_accuracy, _ = train_on(
            parts,
            replace(settings, output=folder, resume=begun),
            on_stage=on_stage,
            on_step=on_step,
            on_note=on_note,
        )
        accuracy = _test(best, tested, folder / TESTED, settings)
        finished.append(
            {
                "fold": number,
                "train": len(kept),
                "validation": len(held),
                "test": len(tested),
                "validation_accuracy": 100 * validation_accuracy,
                "accuracy": accuracy,
            }
        )
        _write(path, result)
        on_note(
            f"fold {number} of {k}: accuracy {accuracy:.1f} % on {len(tested):,} faces, "
            f"validation {100 * validation_accuracy:.1f} %"
        )
    accuracies = [fold["accuracy"] for fold in finished]
    result["mean"], result["std"] = mean(accuracies), stdev(accuracies)
    result["pooled"] = evaluate(
        _pool(out, folds, len(faces)),
        faces.labels,
        classes=faces.classes,
        attributes=faces.attributes,
        parameters=count(spec, settings.variant, len(faces.classes)),
    ).to_json()
    _write(path, result)
    return path, result


def _test(checkpoint: Path, faces: FaceSet, path: Path, settings: TrainSettings) -> float:
    """Write the network's probabilities of ``faces`` to ``path``; return its accuracy in percent."""
    probabilities = predict_with(checkpoint, faces, settings)
    content = io.BytesIO()
    np.save(content, probabilities, allow_pickle=False)
    write_whole(path, content.getvalue())
    return 100 * float((probabilities.argmax(1) == faces.labels).mean())


def _pool(out: Path, folds: Sequence[Fold], total: int) -> NDArray[np.float32]:
    """What each face's own fold said of it, N x K."""
    parts = []
    for number, (_, tested) in enumerate(folds, 1):
        path = out / f"fold-{number}" / TESTED
        try:
            parts.append(np.load(path, allow_pickle=False))
        except (OSError, ValueError, EOFError) as error:
            raise _unusable(path, str(error)) from error
        if parts[-1].shape[:1] != tested.shape:
            raise _unusable(path, f"{len(parts[-1])} faces instead of {len(tested)}")
    pooled = np.empty((total, parts[0].shape[1]), np.float32)
    pooled[np.concatenate([tested for _, tested in folds])] = np.concatenate(parts)
    return pooled


def _describe(settings: TrainSettings, faces: FaceSet, k: int, apart: Apart) -> dict[str, Any]:
    """What two runs must agree on to be parts of one cross-validation."""
    return {
        "model": settings.model,
        "variant": get(settings.model).resolve_variant(settings.variant),
        "data": faces.name,
        "fingerprint": faces.fingerprint(),
        "folds": k,
        "apart": apart,
        "seed": settings.seed,
        "recipe": choose_recipe(settings).to_json(),
        "pretrained": settings.pretrained and str(settings.pretrained),
        "teacher": settings.teacher,
    }


def _begin(path: Path, described: dict[str, Any], *, resume: bool) -> dict[str, Any]:
    """The result so far: of an interrupted run that is resumed, else a new one."""
    if not (resume and path.exists()):
        shared = "whole people" if described["apart"] == "subject" else "pictures, people on both sides"
        protocol = f"{described['folds']} folds of {shared}"
        return {"schema": SCHEMA, "protocol": protocol, "settings": described, "folds": []}
    try:
        kept = require_schema(read_json(path), SCHEMA, path.name, action="")
        before, _ = dict(kept["settings"]), list(kept["folds"])
    except (DataError, ValueError, KeyError, TypeError) as error:
        raise _unusable(path, getattr(error, "found", str(error))) from error
    now = json.loads(json.dumps(described))
    if before.get("fingerprint") == now["fingerprint"]:
        before = {**before, "data": now["data"]}  # The same faces by another name.
    if changed := differences(before, now):
        raise UsageError(
            f"{path} is of another cross-validation: {listed(changed)}",
            expected="the same model, recipe, data, folds and seed as before",
            action="resume with those, or start without --resume in another folder",
        )
    return kept


def _write(path: Path, result: Mapping[str, Any]) -> None:
    write_whole(path, (json.dumps(result, indent=2) + "\n").encode())


def _unusable(path: Path, reason: str) -> DataError:
    return DataError(
        f"{path} cannot be used: {reason}",
        expected="what a cross-validation wrote",
        action="start again without --resume",
    )
