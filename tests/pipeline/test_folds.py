"""Cross-validation end to end: who is tested by whom, what is reported, and how it is resumed."""

from __future__ import annotations

import json
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgefer.data import load
from edgefer.data.folds import subject_folds
from edgefer.pipeline.folds import cross_validate
from edgefer.pipeline.planning import TrainSettings
from edgefer.training.checkpoint import load_checkpoint
from edgefer_runtime.errors import DataError, UsageError

RECIPE = """
[tiny]
size = 32
epochs = 1
batch_size = 32
learning_rate = 1e-3
[[tiny.stages]]
"""
PEOPLE = 4


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> TrainSettings:
    recipe = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    recipe.write_text(RECIPE)
    return TrainSettings(
        "lanmsff", data=f"synthfer:train[:{70 * PEOPLE}]", recipe=f"{recipe}:tiny", accelerator="cpu", seed=3
    )


@pytest.fixture(scope="module")
def whole(settings: TrainSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a cross-validation that nothing interrupted."""
    out = tmp_path_factory.mktemp("whole")
    path, result = cross_validate(replace(settings, output=out), 2)
    assert path == out / "folds.json" and json.loads(path.read_text()) == json.loads(json.dumps(result))
    return out


def test_every_face_is_tested_by_a_network_that_knows_nobody_in_the_fold(
    settings: TrainSettings, whole: Path
) -> None:
    faces = load(settings.data)
    folds = subject_folds(faces, 2, settings.seed)
    for number, (train, test) in enumerate(folds, 1):
        provenance = load_checkpoint(whole / f"fold-{number}").provenance
        assert provenance["train"]["identities"] == provenance["validation"]["identities"] == 1
        parts = [faces.take(train[faces.attributes["subject"][train] == who]) for who in people(faces, train)]
        assert {part.fingerprint() for part in parts} == {
            provenance[part]["fingerprint"] for part in ("train", "validation")
        }
        assert not {*people(faces, train)} & {*people(faces, test)}


def people(faces, chosen) -> list[int]:  # type: ignore[no-untyped-def]
    return np.unique(faces.attributes["subject"][chosen]).tolist()


def test_what_is_reported_follows_from_what_the_networks_said(settings: TrainSettings, whole: Path) -> None:
    faces, result = load(settings.data), json.loads((whole / "folds.json").read_text())
    accuracies, hits = [], 0
    for row, (_, test) in zip(result["folds"], subject_folds(faces, 2, settings.seed), strict=True):
        found = np.load(whole / f"fold-{row['fold']}" / "test.npy").argmax(1)
        hits += (found == faces.labels[test]).sum()
        accuracies.append(100 * (found == faces.labels[test]).mean())
        assert row["accuracy"] == pytest.approx(accuracies[-1])
        assert (row["train"], row["validation"], row["test"]) == (70, 70, 140)
        checkpoint = load_checkpoint(whole / f"fold-{row['fold']}")
        assert row["validation_accuracy"] == 100 * checkpoint.provenance["validation_accuracy"]
    assert result["mean"] == pytest.approx(np.mean(accuracies))
    assert result["std"] == pytest.approx(np.std(accuracies, ddof=1))
    assert result["pooled"]["images"] == 280 and result["pooled"]["subjects"] == PEOPLE
    assert result["pooled"]["accuracy"] == pytest.approx(100 * hits / 280)
    assert result["protocol"] == "2 folds of whole people"
    assert result["settings"]["recipe"]["stages"][0]["size"] == 32


def test_an_interrupted_cross_validation_ends_like_an_uninterrupted_one(
    settings: TrainSettings, whole: Path, tmp_path: Path
) -> None:
    here = replace(settings, output=tmp_path)
    notes: list[str] = []

    def interrupt(progress) -> None:  # type: ignore[no-untyped-def]
        if notes[-1].startswith("fold 2 of 2") and progress.step == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit):
        cross_validate(here, 2, on_step=interrupt, on_note=notes.append)
    assert len(json.loads((tmp_path / "folds.json").read_text())["folds"]) == 1
    before = (tmp_path / "fold-1" / "best.safetensors").stat().st_mtime_ns

    notes.clear()
    cross_validate(replace(here, resume=True), 2, on_note=notes.append)
    assert [note.partition(":")[0] for note in notes] == ["fold 2 of 2"] * 2
    assert (tmp_path / "fold-1" / "best.safetensors").stat().st_mtime_ns == before
    assert (tmp_path / "folds.json").read_text() == (whole / "folds.json").read_text()


def test_a_finished_one_is_only_read_and_another_one_is_not_resumed(
    settings: TrainSettings, whole: Path, tmp_path: Path
) -> None:
    shutil.copytree(whole, tmp_path / "copy")
    here = replace(settings, output=tmp_path / "copy", resume=True)
    notes: list[str] = []
    _, result = cross_validate(here, 2, on_note=notes.append)
    assert notes == [] and json.loads(json.dumps(result)) == json.loads((whole / "folds.json").read_text())
    with pytest.raises(
        UsageError, match="another training: seed: 3 before, 4 now; recipe, stage 1, epochs: 1 before, 2 now"
    ):
        cross_validate(replace(here, seed=4, epochs=2), 2)

    (tmp_path / "copy" / "fold-2" / "test.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(DataError, match=r"fold-2.test\.npy cannot be used"):
        cross_validate(here, 2)
    (tmp_path / "copy" / "folds.json").write_text("{")
    with pytest.raises(DataError, match=r"folds\.json cannot be used"):
        cross_validate(here, 2)


def test_starting_again_leaves_what_was_there(settings: TrainSettings, whole: Path) -> None:
    before = (whole / "folds.json").read_bytes()
    with pytest.raises(UsageError, match="holds a training already"):
        cross_validate(replace(settings, output=whole), 2)
    assert (whole / "folds.json").read_bytes() == before


def test_folds_choose_their_own_validation_people(settings: TrainSettings) -> None:
    with pytest.raises(UsageError, match="--validation synthfer:val together with folds"):
        cross_validate(replace(settings, validation="synthfer:val"), 2)


@pytest.fixture
def leaking(tmp_path: Path) -> Path:
    """Twelve pictures of three people, in which two people share a picture."""
    rng = np.random.default_rng(0)
    lines = ["path,label,subject"]
    for number in range(12):
        pixels = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        picture = Image.fromarray(pixels).resize((48, 48), Image.Resampling.BICUBIC)
        picture.save(tmp_path / f"{number:02d}.png")
        lines.append(f"{number:02d}.png,{('anger', 'fear')[number % 2]},P{number // 4}")
    Image.open(tmp_path / "00.png").save(tmp_path / "06.png")
    (tmp_path / "faces.csv").write_text("\n".join(lines))
    return tmp_path


def test_a_picture_of_two_people_is_a_leak(settings: TrainSettings, leaking: Path) -> None:
    here = replace(settings, data=f"csv:{leaking}/faces.csv", output=leaking / "out")
    with pytest.raises(DataError, match=r"pictures are both in .*: 1 pairs"):
        cross_validate(here, 3)
    with pytest.raises(DataError, match=r"4 folds .* 3 people"):
        cross_validate(here, 4)


def test_folds_of_pictures_are_made_when_asked_for_and_say_so(settings: TrainSettings, leaking: Path) -> None:
    here = replace(settings, data=f"csv:{leaking}/faces.csv", output=leaking / "out")
    _, result = cross_validate(here, 2, apart="image")
    assert result["protocol"] == "2 folds of pictures, people on both sides"
    assert [row["test"] for row in result["folds"]] == [6, 6]
