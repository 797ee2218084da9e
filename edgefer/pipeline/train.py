"""Training a model of the zoo on a face set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from edgefer.data.faceset import FaceSet
from edgefer.models import get
from edgefer.pipeline import Report, ignore
from edgefer.pipeline.faces import load_faces
from edgefer.pipeline.requirements import require
from edgefer.pipeline.subjects import training_folder

if TYPE_CHECKING:
    from edgefer.training.progress import Progress

HELD_OUT = 0.1
"""Share of each class kept for validation when a set brings no validation faces of its own."""


@dataclass(frozen=True)
class TrainSettings:
    """What `edgefer train` was asked for; None means the recipe's or the model's own."""

    model: str
    variant: str | None = None
    data: str = "synthfer"
    validation: str | None = None
    epochs: int | None = None
    resume: bool = False
    accelerator: Literal["auto", "cpu", "cuda"] = "auto"
    seed: int = 0
    output: Path | None = None


def train_model(
    settings: TrainSettings,
    *,
    on_progress: Report = ignore,
    on_step: Callable[[Progress], None] = lambda _: None,
) -> tuple[Path, float]:
    """Train, and return the best checkpoint's path and its validation accuracy (a share).

    Raises:
        UsageError, DataError, DeviceError, MissingError: as :func:`edgefer.training.loop.train`.
    """
    spec = get(settings.model)
    require("train", "training")
    from edgefer.training.checkpoint import load_checkpoint
    from edgefer.training.loop import train
    from edgefer.training.recipe import load_recipe

    recipe = load_recipe(spec.name)
    if settings.epochs is not None:
        recipe = recipe.with_epochs(settings.epochs)
    faces, validation = load_training_faces(settings, on_progress)
    best = train(
        spec,
        recipe,
        faces,
        validation,
        settings.output or training_folder(spec.name, settings.variant),
        variant=settings.variant,
        resume=settings.resume,
        accelerator=settings.accelerator,
        seed=settings.seed,
        on_progress=on_step,
    )
    return best, float(load_checkpoint(best).provenance["validation_accuracy"])


def load_training_faces(settings: TrainSettings, on_progress: Report) -> tuple[FaceSet, FaceSet]:
    """Faces to learn from and faces to choose the best epoch with.

    SynthFER brings its own validation people. Of another set a tenth of each class is held out, drawn by the
    seed, unless ``--validation`` names faces; people may then be on both sides, so the accuracy flatters.
    """
    name = "synthfer:train" if settings.data == "synthfer" else settings.data
    faces = load_faces(name, on_progress)
    if settings.validation or name.startswith("synthfer:"):
        return faces, load_faces(settings.validation or "synthfer:val", on_progress)
    generator = np.random.default_rng(settings.seed)
    groups = [
        generator.permutation(np.flatnonzero(faces.labels == label)) for label in range(len(faces.classes))
    ]
    held = np.sort(np.concatenate([group[: max(1, round(HELD_OUT * len(group)))] for group in groups]))
    kept = np.setdiff1d(np.arange(len(faces)), held)
    return faces.take(kept, f"{name} (kept)"), faces.take(held, f"{name} (held out)")
