"""Faces to learn from and faces to choose the best epoch with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgefer.pipeline import ignore
from edgefer.pipeline.train import TrainSettings, load_training_faces


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    for name, count in (("calm", 30), ("cross", 20), ("glad", 4)):
        (tmp_path / name).mkdir()
        for number in range(count):
            pixels = generator.integers(0, 256, (24, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number:02d}.png")
    return tmp_path


def test_a_tenth_of_each_class_is_held_out_and_never_trained_on(folder: Path) -> None:
    kept, held = load_training_faces(TrainSettings("pattlite", data=str(folder)), ignore)
    assert np.bincount(held.labels).tolist() == [3, 2, 1]
    assert len(kept) + len(held) == 54
    pictures = {image.tobytes() for image in kept.images}
    assert not pictures & {image.tobytes() for image in held.images}


def test_the_seed_decides_who_is_held_out(folder: Path) -> None:
    held = [
        load_training_faces(TrainSettings("pattlite", data=str(folder), seed=seed), ignore)[1]
        for seed in (0, 0, 1)
    ]
    assert held[0].fingerprint() == held[1].fingerprint() != held[2].fingerprint()


def test_validation_faces_that_are_named_are_used(folder: Path) -> None:
    settings = TrainSettings("pattlite", data=str(folder), validation=str(folder))
    kept, held = load_training_faces(settings, ignore)
    assert len(kept) == len(held) == 54


def test_synthfer_brings_validation_people_of_its_own() -> None:
    kept, held = load_training_faces(
        TrainSettings("pattlite", data="synthfer:train[:35]", validation="synthfer:val[:35]"), ignore
    )
    assert not {*kept.attributes["subject"]} & {*held.attributes["subject"]}
