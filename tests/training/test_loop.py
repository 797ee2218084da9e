"""The loop on toy faces: it learns, it stops, and it resumes exactly."""

import csv
import json
import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch

from edgefer.data.faceset import FaceSet
from edgefer.models import get
from edgefer.training.checkpoint import load_checkpoint
from edgefer.training.loop import train
from edgefer.training.predict import predict
from edgefer.training.recipe import Augmentation, Optimizer, Recipe, Schedule, Stage
from edgefer_runtime.errors import DataError, UsageError

PATTLITE = get("pattlite")


def stage(size: int, epochs: int, first: float, last: float, **kwargs) -> Stage:
    common = {"optimizer": Optimizer("adamw"), "gradient_clip": 3.0, "ema_decay": 0.998}
    return Stage(size, epochs, 8, first, Schedule("cosine", last), **(common | kwargs))


VARIED = {"augmentation": Augmentation(flip=0.5, rotation_degrees=5, noise=3), "label_smoothing": 0.1}
SHORT = Recipe(
    "short", (stage(96, 2, 1e-3, 5e-4, warmup_steps=3, **VARIED), stage(104, 1, 5e-4, 0.0, **VARIED))
)


def toy(count: int, seed: int = 0, shift: int = 0) -> FaceSet:
    """Noise with one brighter colour channel; the channel is the class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    images = rng.integers(0, 90, (count, 32, 32, 3), dtype=np.uint8)
    images[np.arange(count), :, :, labels] += 120
    return FaceSet(f"toy-{seed}", images, (labels + shift) % 3, ("red", "green", "blue"))


def rows(out):
    return list(csv.DictReader((out / "log.csv").open()))


def test_it_learns(tmp_path):
    recipe = Recipe("learn", (stage(96, 20, 2e-3, 1e-4, ema_decay=0.9),))
    best = load_checkpoint(train(PATTLITE, recipe, toy(48), toy(12, seed=1), tmp_path, accelerator="cpu"))
    held_out = toy(30, seed=2)
    found = predict(best.network(), best.contract, held_out.images).argmax(1)
    assert (found == held_out.labels).mean() > 0.9
    assert best.provenance["validation_accuracy"] == max(
        float(row["validation_accuracy"]) for row in rows(tmp_path)
    )
    assert best.provenance["train"]["images"] == 48


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    out, seen = tmp_path_factory.mktemp("whole"), []
    train(PATTLITE, SHORT, toy(24), toy(6, seed=1), out, accelerator="cpu", seed=5, on_progress=seen.append)
    return out, seen


def test_progress_counts_up_to_the_end(uninterrupted):
    _, seen = uninterrupted
    steps = [event.step for event in seen]
    assert steps == sorted(steps)
    assert (steps[0], steps[-1], seen[-1].steps, seen[-1].eta_s) == (1, 9, 9, 0.0)
    assert {(event.stage, event.epoch) for event in seen} == {(1, 1), (1, 2), (2, 1)}
    assert seen[0].validation_accuracy is None
    assert seen[-1].validation_accuracy is not None


def test_checkpoints_state_and_log_are_there_and_nothing_else(uninterrupted):
    out, _ = uninterrupted
    assert sorted(path.name for path in out.iterdir()) == [
        *("best.json", "best.safetensors", "last.json", "last.safetensors"),
        *("log.csv", "state.json", "state.safetensors"),
    ]
    assert [(row["stage"], row["epoch"], row["size"]) for row in rows(out)] == [
        ("1", "1", "96"),
        ("1", "2", "96"),
        ("2", "1", "104"),
    ]
    assert load_checkpoint(out).contract == replace(PATTLITE.contract, height=104, width=104)


@pytest.mark.parametrize(
    ("number", "leaves_with", "at_steps"),
    [(signal.SIGTERM, SystemExit, (2, 8)), (signal.SIGINT, KeyboardInterrupt, (3, 6))],
    ids=["SIGTERM", "Ctrl-C"],
)
def test_an_interrupted_run_ends_with_the_weights_of_an_uninterrupted_one(
    uninterrupted, tmp_path, number, leaves_with, at_steps
):
    whole, _ = uninterrupted
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)

    def run(stop_at):
        def watch(event):
            if event.step == stop_at:
                os.kill(os.getpid(), number)

        train(
            PATTLITE,
            SHORT,
            toy(24),
            toy(6, seed=1),
            tmp_path,
            accelerator="cpu",
            seed=5,
            resume=(tmp_path / "state.json").exists(),
            on_progress=watch,
        )

    for stop_at in at_steps:
        torch.randn(3)  # the caller's own randomness must not matter
        with pytest.raises(leaves_with):
            run(stop_at)
        assert json.loads((tmp_path / "state.json").read_text())["position"]["done_steps"] == stop_at
    run(stop_at=None)

    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == handlers
    for name in ("best", "last"):
        expected, found = (load_checkpoint(folder / f"{name}.json").weights for folder in (whole, tmp_path))
        assert all(torch.equal(found[key], value) for key, value in expected.items())
    assert (tmp_path / "log.csv").read_text() == (whole / "log.csv").read_text()


def test_a_finished_run_has_nothing_left_to_resume(uninterrupted):
    out, _ = uninterrupted
    before = (out / "last.safetensors").read_bytes()
    best = train(PATTLITE, SHORT, toy(24), toy(6, seed=1), out, accelerator="cpu", seed=5, resume=True)
    assert best == out / "best.json"
    assert (out / "last.safetensors").read_bytes() == before


def test_only_the_same_training_is_resumed(uninterrupted, tmp_path):
    out, _ = uninterrupted
    sets = toy(24), toy(6, seed=1)
    with pytest.raises(UsageError, match="nothing to resume"):
        train(PATTLITE, SHORT, *sets, tmp_path, accelerator="cpu", resume=True)
    with pytest.raises(UsageError, match="seed differ"):
        train(PATTLITE, SHORT, *sets, out, accelerator="cpu", seed=6, resume=True)
    with pytest.raises(UsageError, match="train, recipe differ"):
        other = replace(SHORT, stages=SHORT.stages[:1])
        train(PATTLITE, other, toy(21), sets[1], out, accelerator="cpu", seed=5, resume=True)


@pytest.mark.parametrize("damage", ["weights", "card"])
def test_a_damaged_state_is_refused(uninterrupted, tmp_path, damage):
    out, _ = uninterrupted
    for name in ("state.json", "state.safetensors"):
        content = (out / name).read_bytes()
        cut = name == {"weights": "state.safetensors", "card": "state.json"}[damage]
        (tmp_path / name).write_bytes(content[: len(content) // 2] if cut else content)
    with pytest.raises(DataError, match="damaged"):
        train(PATTLITE, SHORT, toy(24), toy(6, seed=1), tmp_path, accelerator="cpu", seed=5, resume=True)


def test_a_stage_that_gets_no_better_ends(tmp_path):
    """Validation labels that contradict the training's: the better it learns, the worse it does."""
    recipe = Recipe("stuck", (stage(96, 12, 2e-3, 1e-3, ema_decay=0.5, patience=2),))
    train(PATTLITE, recipe, toy(48), toy(6, seed=1, shift=1), tmp_path, accelerator="cpu")
    best = json.loads((tmp_path / "best.json").read_text())["provenance"]["epochs"]
    assert len(rows(tmp_path)) == best + 2 < 12


def test_given_weights_are_the_start(uninterrupted, tmp_path):
    start = load_checkpoint(uninterrupted[0])
    frozen = Recipe("frozen", (stage(96, 1, 1e-9, 1e-9),))
    path = train(PATTLITE, frozen, toy(8), toy(3), tmp_path, accelerator="cpu", initial=start)
    weights = load_checkpoint(path).weights
    for name in ("trunk.0.0.weight", "classify.weight"):
        torch.testing.assert_close(weights[name], start.weights[name])


def test_sets_that_do_not_go_together_are_refused(tmp_path):
    other = replace(toy(6), classes=("blue", "green", "red"))
    for pair in ((toy(6), other), (toy(0), toy(6)), (toy(6), toy(0))):
        with pytest.raises(DataError, match="do not go together"):
            train(PATTLITE, SHORT, *pair, tmp_path, accelerator="cpu")
    assert list(tmp_path.iterdir()) == []
