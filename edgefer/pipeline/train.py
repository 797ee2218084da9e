"""Training a model of the zoo on a face set."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgefer.data.faceset import FaceSet
from edgefer.data.leakage import guard, without_duplicates
from edgefer.data.registry import find
from edgefer.models import count, get
from edgefer.pipeline import Report, ignore
from edgefer.pipeline.faces import load_faces
from edgefer.pipeline.planning import TrainSettings, choose_recipe, plan_training, pretrained
from edgefer.pipeline.runs import TEST
from edgefer.pipeline.subjects import find_checkpoint
from edgefer.pipeline.training_set import open_training_set
from edgefer.training.exhaustion import memory_told
from edgefer_bench.metrics import evaluate
from edgefer_runtime.files import write_whole

if TYPE_CHECKING:
    from edgefer.training.progress import Progress, StageStart

HELD_OUT = 0.1
"""Share of the faces kept for validation when a set brings none of its own."""


class TrainingFaces(NamedTuple):
    """Faces to learn from, faces to choose the best epoch with, and test faces, which do neither."""

    train: FaceSet
    validation: FaceSet
    test: FaceSet | None = None


class Trained(NamedTuple):
    """What a training ended with.

    Attributes:
        checkpoint: the best one's path.
        validation_accuracy: of that checkpoint, a share.
        test: its evaluation on the test faces, as JSON; None where the set has none of its own.
    """

    checkpoint: Path
    validation_accuracy: float
    test: dict[str, Any] | None = None


def train_model(
    settings: TrainSettings,
    *,
    on_progress: Report = ignore,
    on_stage: Callable[[StageStart], None] = lambda _: None,
    on_step: Callable[[Progress], None] = lambda _: None,
    on_note: Callable[[str], None] = lambda _: None,
) -> Trained:
    """Train, and evaluate what came of it on the set's own test faces, if it has any (``test.json``).

    Names, files, options and the output folder are tried before any face is loaded.

    Args:
        settings: what was asked for.
        on_progress: of loading faces.
        on_stage: called when a stage begins.
        on_step: called after every step.
        on_note: called with what a person should know before the training starts.

    Raises:
        UsageError, DataError, DeviceError, MissingError, CheckError: as
            :func:`edgefer.training.loop.train`; DataError also for faces that are in training and
            validation or test alike.
    """
    plan = plan_training(settings, on_note=on_note)
    settings = plan.settings
    with plan.underway(on_note):
        with memory_told("while faces were loaded"):
            faces = load_training_faces(settings, on_progress)
            if settings.drop_duplicates:
                faces = without_copies(faces, on_note)
            guard(*filter(None, faces))
        on_note(_told(faces))
        (plan.folder / TEST).unlink(missing_ok=True)
        trained = train_on(faces, settings, on_stage=on_stage, on_step=on_step, on_note=on_note)
        if faces.test is None:
            return trained
        from edgefer.training.card import read_card

        test = {
            "data": faces.test.name,
            "checkpoint": {"sha256": read_card(trained.checkpoint).weights["sha256"]},
            **_evaluate(trained.checkpoint, faces.test, settings),
        }
        write_whole(plan.folder / TEST, (json.dumps(test, indent=2) + "\n").encode())
        return trained._replace(test=test)


def train_on(
    faces: TrainingFaces,
    settings: TrainSettings,
    *,
    on_stage: Callable[[StageStart], None] = lambda _: None,
    on_step: Callable[[Progress], None] = lambda _: None,
    on_note: Callable[[str], None] = lambda _: None,
) -> Trained:
    """Train on faces that are loaded already and guarded against each other; test on none.

    Settings and their output folder are those of a :class:`edgefer.pipeline.planning.TrainingPlan`.
    """
    spec = get(settings.model)
    from edgefer.training.checkpoint import load_checkpoint
    from edgefer.training.loop import train

    recipe = choose_recipe(settings)
    if recipe.pretrained and not settings.pretrained:
        on_note(
            f"recipe {recipe.name!r} starts from {recipe.pretrained} weights; without --pretrained FILE this "
            "training starts from nothing, and its results are not the paper's"
        )
    assert settings.output is not None
    best = train(
        spec,
        recipe,
        faces.train,
        faces.validation,
        settings.output,
        variant=settings.variant,
        initial=pretrained(spec, settings, faces.train.classes, on_note),
        teacher=find_checkpoint(settings.teacher)[0] if settings.teacher else None,
        resume=settings.resume,
        accelerator=settings.accelerator,
        devices=settings.devices,
        nodes=settings.nodes,
        seed=settings.seed,
        tensorboard=settings.tensorboard,
        on_stage=on_stage,
        on_progress=on_step,
    )
    return Trained(best, float(load_checkpoint(best).provenance["validation_accuracy"]))


def predict_with(checkpoint: Path, faces: FaceSet, settings: TrainSettings) -> NDArray[np.float32]:
    """Probabilities N x K that the network of a finished training gives ``faces``."""
    from edgefer.training.accelerator import choose_device
    from edgefer.training.checkpoint import load_checkpoint
    from edgefer.training.trained import TrainedNetwork

    network = TrainedNetwork(load_checkpoint(checkpoint), choose_device(settings.accelerator))
    return network.predict(faces.images, np.arange(len(faces)))


def _evaluate(checkpoint: Path, faces: FaceSet, settings: TrainSettings) -> dict[str, Any]:
    return evaluate(
        predict_with(checkpoint, faces, settings),
        faces.labels,
        classes=faces.classes,
        attributes=faces.attributes,
        parameters=count(get(settings.model), settings.variant, len(faces.classes)),
    ).to_json()


def load_training_faces(settings: TrainSettings, on_progress: Report = ignore) -> TrainingFaces:
    """The faces that ``--data`` and ``--validation`` mean.

    Official splits are kept to: ``train`` trains, ``val`` chooses the best epoch, ``test`` tests and does
    neither. Of a published set on whose ``val`` everybody reports (AffectNet), it is the test. A set without
    validation faces of its own has a tenth held out by the seed: whole people where it names them. With
    ``--random-split`` all pictures are dealt 80/10/10 instead, as PAtt-Lite's authors did.

    Raises:
        UsageError, DataError: no such set, one that cannot be read or trained on, or not all of a published
            one (unless ``partial`` is asked for).
    """
    from edgefer.data.folds import anonymous, eighty_ten_ten, hold_out
    from edgefer.data.lookalikes import measured

    name = "synthfer:train" if settings.data == "synthfer" else settings.data
    place = find(name)
    if settings.random_split:
        if place is None:
            everything = load_faces(name, on_progress)
        else:
            everything = open_training_set(place, settings.partial, dealt=True).load(on_progress=on_progress)
        everything = measured(everything)
        parts = zip(eighty_ten_ten(everything, settings.seed), ("80 %", "10 %", "other 10 %"), strict=True)
        # As in that paper, people may be on both sides.
        return TrainingFaces(
            *(anonymous(everything).take(part, f"{name} ({share})") for part, share in parts)
        )
    if place is None:
        return TrainingFaces(
            load_faces(name, on_progress), load_faces(settings.validation or "synthfer:val", on_progress)
        )
    opened = open_training_set(place, settings.partial)
    faces = opened.load(opened.training, on_progress)
    test = opened.load(opened.testing, on_progress) if opened.testing else None
    if settings.validation:
        return TrainingFaces(faces, load_faces(settings.validation, on_progress), test)
    if opened.validating:
        return TrainingFaces(faces, opened.load(opened.validating, on_progress), test)
    return TrainingFaces(*hold_out(faces, HELD_OUT, settings.seed), test)


def without_copies(faces: TrainingFaces, on_note: Callable[[str], None]) -> TrainingFaces:
    """Copies of test faces left out of the rest, and those of validation faces out of training."""
    test = (faces.test,) if faces.test else ()
    validation = without_duplicates(faces.validation, *test)
    train = without_duplicates(faces.train, validation, *test)
    left_out = len(faces.train) - len(train), len(faces.validation) - len(validation)
    on_note("left out as copies: {} training and {} validation faces".format(*left_out))
    return TrainingFaces(train, validation, faces.test)


def _told(faces: TrainingFaces) -> str:
    """Who does what, in a line."""
    parts = [
        f"{len(faces.train):,} faces of {faces.train.name} to learn from",
        f"{len(faces.validation):,} of {faces.validation.name} to choose the best epoch with",
    ]
    if faces.test is not None:
        parts.append(f"{len(faces.test):,} of {faces.test.name} to test with")
    return ", ".join(parts)
