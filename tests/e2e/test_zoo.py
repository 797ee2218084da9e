"""Every network of the zoo learns expressions, in a budget that a test can afford."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from edgefer.data import load
from edgefer.data.faceset import FaceSet
from edgefer.pipeline.planning import TrainSettings
from edgefer.pipeline.train import TrainingFaces, train_on
from edgefer.training.checkpoint import load_checkpoint


@dataclass(frozen=True)
class Budget:
    """What a network needs to find the expressions on plain faces: small ones, a hundred steps or more."""

    size: int
    epochs: int
    learning_rate: float = 1e-3
    batch_size: int = 16


BUDGETS = {
    "lanmsff": Budget(64, 8, 2e-3, batch_size=4),  # its normalisations forget 1 % a step
    "pattlite": Budget(96, 20, 1.5e-3, batch_size=8),
    "fcsdnet": Budget(64, 10),
    "dsan": Budget(64, 8),
    "gmslpa": Budget(64, 6),
}
CHANCE = 1 / 7


@pytest.fixture(scope="module")
def faces() -> TrainingFaces:
    return TrainingFaces(plain(load("synthfer:train[:2800]")), plain(load("synthfer:val")))


def plain(faces: FaceSet) -> FaceSet:
    """Uncovered faces in the studio's light, from the front: 280 to learn from."""
    studio = faces.attributes["session"] == "studio"
    return faces.take(np.flatnonzero(studio & (faces.attributes["yaw"].astype(float) == 0)))


@pytest.mark.slow
@pytest.mark.parametrize("model", BUDGETS)
def test_a_network_learns_far_more_than_chance(model: str, faces: TrainingFaces, tmp_path: Path) -> None:
    budget = BUDGETS[model]
    recipe = tmp_path / "plain.toml"
    recipe.write_text(
        f"""
        [plain]
        size = {budget.size}
        epochs = {budget.epochs}
        batch_size = {budget.batch_size}
        learning_rate = {budget.learning_rate}
        ema_decay = 0.98
        warmup_steps = 60
        label_smoothing = 0.1
        gradient_clip = 3.0
        augmentation.flip = 0.5
        optimizer.kind = "adamw"
        schedule.kind = "cosine"
        schedule.final_learning_rate = 1e-4
        [[plain.stages]]
        """
    )
    settings = TrainSettings(model, recipe=f"{recipe}:plain", output=tmp_path / "run", accelerator="cpu")
    trained = train_on(faces, settings)
    assert load_checkpoint(trained.checkpoint).model == model
    assert trained.validation_accuracy > 2 * CHANCE
