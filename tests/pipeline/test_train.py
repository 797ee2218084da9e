"""Faces to learn from, to choose the best epoch with, and to test; and one whole training with all three."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from edgefer.models import get
from edgefer.pipeline.planning import TrainSettings
from edgefer.pipeline.train import choose_recipe, load_training_faces, train_model
from edgefer.training.checkpoint import load_checkpoint
from edgefer.training.pretrained.naming import published_name
from edgefer_runtime.errors import DataError, UsageError

TINY = """
[tiny]
pretrained = "imagenet"
size = 32
epochs = 1
batch_size = 8
learning_rate = 1e-3
[[tiny.stages]]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    tmp_path /= "faces"
    tmp_path.mkdir()
    for name, count in (("calm", 30), ("cross", 20), ("glad", 4)):
        (tmp_path / name).mkdir()
        for number in range(count):
            pixels = generator.integers(0, 256, (24, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number:02d}.png")
    return tmp_path


def fer2013(folder: Path, usages: Sequence[str]) -> str:
    """The csv file of FER2013 with one face a usage, none like another."""
    generator = np.random.default_rng(1)
    rows = [
        f"{number % 7},{' '.join(map(str, generator.integers(0, 256, 48 * 48)))},{usage}"
        for number, usage in enumerate(usages)
    ]
    folder.mkdir(exist_ok=True)
    (folder / "fer2013.csv").write_text("\n".join(["emotion,pixels,Usage", *rows]) + "\n")
    return f"fer2013:{folder}"


def test_a_tenth_of_each_class_is_held_out_and_never_trained_on(folder: Path) -> None:
    kept, held, test = load_training_faces(TrainSettings("pattlite", data=str(folder)))
    assert test is None
    assert len(kept) + len(held) == 54
    assert np.abs(np.bincount(held.labels, minlength=3) - np.array([3, 2, 0.4])).max() <= 1
    pictures = {image.tobytes() for image in kept.images}
    assert not pictures & {image.tobytes() for image in held.images}


def test_the_seed_decides_who_is_held_out(folder: Path) -> None:
    held = [
        load_training_faces(TrainSettings("pattlite", data=str(folder), seed=seed)).validation
        for seed in (0, 0, 1)
    ]
    assert held[0].fingerprint() == held[1].fingerprint() != held[2].fingerprint()


def test_validation_faces_that_are_named_are_used(folder: Path) -> None:
    faces = load_training_faces(TrainSettings("pattlite", data=str(folder), validation="synthfer:val[:7]"))
    assert (len(faces.train), len(faces.validation)) == (54, 7)


def test_synthfer_brings_validation_people_of_its_own() -> None:
    faces = load_training_faces(
        TrainSettings("pattlite", data="synthfer:train[:35]", validation="synthfer:val[:35]")
    )
    assert not {*faces.train.attributes["subject"]} & {*faces.validation.attributes["subject"]}


def test_official_splits_are_kept_to(tmp_path: Path) -> None:
    usages = [*["Training"] * 14, *["PublicTest"] * 7, *["PrivateTest"] * 8]
    faces = load_training_faces(TrainSettings("lanmsff", data=fer2013(tmp_path, usages), partial=True))
    assert faces.test is not None
    assert [len(part) for part in (faces.train, faces.validation, faces.test)] == [14, 7, 8]


def test_a_random_split_has_three_parts_and_no_picture_twice(tmp_path: Path) -> None:
    data = fer2013(tmp_path, ["Training"] * 40 + ["PrivateTest"] * 30)
    parts = load_training_faces(TrainSettings("pattlite", data=data, random_split=True, partial=True))
    assert [len(part) for part in parts if part is not None] == [56, 7, 7]
    assert len({image.tobytes() for part in parts if part is not None for image in part.images}) == 70


def test_a_training_tests_what_it_chose_once(tmp_path: Path) -> None:
    usages = [*["Training"] * 16, *["PublicTest"] * 7, *["PrivateTest"] * 9]
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(TINY)
    notes: list[str] = []
    settings = TrainSettings(
        "lanmsff",
        data=fer2013(tmp_path, usages),
        partial=True,
        recipe=f"{recipe}:tiny",
        output=tmp_path / "run",
    )
    trained = train_model(settings, on_note=notes.append)
    assert any("imagenet" in note and "--pretrained" in note for note in notes)
    written = json.loads((tmp_path / "run" / "test.json").read_text())
    assert trained.test is not None
    assert (written["data"], written["images"]) == (f"fer2013:{tmp_path}@test", 9)
    assert written["accuracy"] == trained.test["accuracy"]
    assert load_checkpoint(trained.checkpoint).provenance["validation"]["images"] == 7


def test_a_face_on_both_sides_stops_a_training(folder: Path, tmp_path: Path) -> None:
    settings = TrainSettings("pattlite", data=str(folder), validation=str(folder), output=tmp_path / "run")
    with pytest.raises(DataError, match="54"):
        train_model(settings)
    assert not (tmp_path / "run").exists()


def test_copies_of_held_out_faces_are_dropped_on_request(folder: Path, tmp_path: Path) -> None:
    held = tmp_path / "held"
    for name in ("calm", "cross", "glad"):
        (held / name).mkdir(parents=True)
        (held / name / "copy.png").write_bytes((folder / name / "00.png").read_bytes())
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(TINY)
    settings = TrainSettings(
        "lanmsff",
        data=f"folder:{folder}",
        validation=str(held),
        drop_duplicates=True,
        recipe=f"{recipe}:tiny",
        output=tmp_path / "run",
    )
    notes: list[str] = []
    provenance = load_checkpoint(train_model(settings, on_note=notes.append).checkpoint).provenance
    assert provenance["train"]["images"] == 51
    assert "3 training and 0 validation" in notes[0]


def test_weights_of_a_backbone_are_the_start_and_are_told_of(folder: Path, tmp_path: Path) -> None:
    donor = get("dsan").build(None, 3).state_dict()
    names = {name: published_name("dsan", name) for name in donor}
    published = {theirs: donor[name] for name, theirs in names.items() if theirs}
    torch.save(published, tmp_path / "resnet18.pth")
    recipe = tmp_path / "still.toml"
    recipe.write_text(TINY.replace("1e-3", "1e-12"))
    notes: list[str] = []
    settings = TrainSettings(
        "dsan",
        data=str(folder),
        recipe=f"{recipe}:tiny",
        pretrained=tmp_path / "resnet18.pth",
        output=tmp_path / "run",
    )
    checkpoint = load_checkpoint(train_model(settings, on_note=notes.append).checkpoint)
    assert torch.allclose(checkpoint.weights["trunk.0.0.0.weight"], donor["trunk.0.0.0.weight"], atol=1e-6)
    assert any("100 of 122 weights" in note for note in notes)
    told = checkpoint.provenance["initial"]["from"]
    assert (told["source"], len(told["matched"])) == ("ResNet-18, named as in torchvision", 100)


def test_recipes_are_the_models_or_a_files(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(TINY.replace("tiny", "synthfer"))
    named = {
        text: choose_recipe(TrainSettings("dsan", recipe=text)).name
        for text in ("synthfer", "paper", f"{tmp_path}/tiny.toml", f"{tmp_path}/tiny.toml:synthfer")
    }
    assert list(named.values()) == ["synthfer", "paper", "synthfer", "synthfer"]
    assert choose_recipe(TrainSettings("dsan", epochs=3)).epochs == 3
    with pytest.raises(UsageError, match="fancy"):
        choose_recipe(TrainSettings("dsan", recipe="fancy"))
