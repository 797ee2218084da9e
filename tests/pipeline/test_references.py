"""The network that a bundle was exported from is found by its weights, asked once, and never mistaken."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from edgefer.data.faceset import FaceSet
from edgefer.models import get
from edgefer.pipeline import ignore
from edgefer.pipeline.references import references
from edgefer.pipeline.runs import training_folder
from edgefer.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from edgefer.training.predict import predict
from edgefer_runtime.bundle import Bundle, write_bundle
from edgefer_runtime.manifest import Manifest

CLASSES = ("anger", "joy", "neutral")


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGEFER_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def faces() -> FaceSet:
    images = np.random.default_rng(0).integers(0, 256, (6, 24, 24, 3), dtype=np.uint8)
    return FaceSet("noise:test", images, np.arange(6) % 3, ("neutral", "anger", "joy"), {})


def train(folder: Path, seed: int = 0, half: bool = False) -> Checkpoint:
    spec = get("pattlite")
    torch.manual_seed(seed)
    weights = spec.build("head", len(CLASSES)).state_dict()
    checkpoint = Checkpoint("pattlite", "head", CLASSES, spec.contract, weights)
    return load_checkpoint(save_checkpoint(folder / "best", checkpoint, half))


def export(checkpoint: Checkpoint, folder: Path, **origin: str) -> Bundle:
    """A bundle as an export names it; its engine is never opened."""
    folder.mkdir()
    (folder / "model.onnx").write_bytes(b"not asked")
    manifest = Manifest(
        model=checkpoint.model,
        variant=checkpoint.variant,
        parameters=1,
        classes=checkpoint.classes,
        input=checkpoint.contract,
        target="onnxruntime",
        precision="int8",
        entry="model.onnx",
        provenance={"weights": origin or {"sha256": checkpoint.describe()["sha256"]}},
    )
    return write_bundle(folder / "bundle", manifest, {"model.onnx": folder / "model.onnx"}, {"checks": []})


def test_the_network_answers_in_the_classes_of_the_set(tmp_path: Path, faces: FaceSet) -> None:
    checkpoint = train(training_folder("pattlite"))
    (answers,) = references([export(checkpoint, tmp_path / "a")], faces)
    output = get("pattlite").output
    own = predict(checkpoint.network(), checkpoint.contract, faces.images, output=output)
    assert answers is not None and np.array_equal(answers, own[:, [2, 0, 1]])


def test_an_older_training_is_found_beside_a_newer_one(tmp_path: Path, faces: FaceSet) -> None:
    bundle = export(train(Path("runs/pattlite/before"), seed=1, half=True), tmp_path / "a")
    newer = export(train(training_folder("pattlite")), tmp_path / "b")
    old, new = references([bundle, newer], faces)
    assert old is not None and new is not None and not np.array_equal(old, new)


def test_it_is_asked_once(tmp_path: Path, faces: FaceSet) -> None:
    stages: list[str] = []
    trained = training_folder("pattlite")
    bundles = [export(train(trained), tmp_path / name) for name in "ab"]
    first, again = references(bundles, faces, lambda stage, done, total: stages.append(stage))
    assert first is again and stages == ["float pattlite"]
    (trained / "best.safetensors").unlink()
    kept, _ = references(bundles, faces)
    assert kept is not None and first is not None and np.array_equal(kept, first)
    # Of other faces nothing is kept, and a file that was cut short is no answer.
    assert references(bundles, replace(faces, labels=faces.labels[::-1].copy())) == [None, None]
    for path in (tmp_path / "cache/answers").iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    assert references(bundles, faces) == [None, None]


def test_what_is_not_at_hand_is_nobodys_answer(tmp_path: Path, faces: FaceSet) -> None:
    trained = train(training_folder("pattlite"))
    other = export(replace(trained, weights={}), tmp_path / "other")
    silent = export(trained, tmp_path / "silent", name="best.json")
    foreign = export(replace(trained, model="colour"), tmp_path / "foreign")
    assert references([other, silent, foreign], faces, ignore) == [None, None, None]
