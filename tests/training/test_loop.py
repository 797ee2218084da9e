"""The loop on toy faces: it learns, it stops, and it resumes exactly."""

import csv
import json
import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from edgefer.data.faceset import FaceSet
from edgefer.data.mapped import MappedImages
from edgefer.models import get
from edgefer.training.checkpoint import load_checkpoint
from edgefer.training.loop import train
from edgefer.training.objectives.teacher import Teacher
from edgefer.training.predict import predict
from edgefer.training.recipe import Augmentation, Distillation, Optimizer, Recipe, Schedule, Stage
from edgefer_runtime.errors import CheckError, DataError, UsageError

COMMON = {
    "optimizer": Optimizer("adamw"),
    "augmentation": Augmentation(flip=0.5, rotation_degrees=5, noise=3),
    "gradient_clip": 3.0,
    "precision": "float32",
}
EVERYTHING = Recipe(
    "everything",
    (
        Stage(16, 2, 8, 5e-3, Schedule("cosine", 1e-3), ema_decay=0.9, warmup_steps=3, **COMMON),
        Stage(16, 1, 8, 1e-3, Schedule("cosine", 5e-4), ema_decay=0.9, **COMMON),
        Stage(
            20,
            3,
            8,
            1e-2,
            Schedule("plateau", patience=1, min_delta=9.0),
            **(COMMON | {"optimizer": Optimizer("sgd", nesterov=True), "precision": "float16"}),
            trainable="head",
            class_weights="balanced",
            sampling="balanced",
            repeats=2,
            monitor="validation_loss",
        ),
    ),
)
"""Averages and none, an optimizer that carries over and one that does not, a schedule that looks back, and a
precision with a state of its own; 3 steps an epoch, then 6: 27 in all."""


def stage(epochs: int, learning_rate: float = 2e-2, **kwargs) -> Stage:
    return Stage(16, epochs, 8, learning_rate, **(COMMON | {"ema_decay": 0.9} | kwargs))


def rows(out):
    return list(csv.DictReader((out / "log.csv").open()))


def fit(spec, recipe, faces, validation, out, **kwargs):
    return train(spec, recipe, faces, validation, out, accelerator="cpu", **kwargs)


def accuracy(path, faces) -> float:
    checkpoint = load_checkpoint(path)
    found = predict(checkpoint.network(), checkpoint.contract, faces.images).argmax(1)
    return float((found == faces.labels).mean())


def same_weights(first, second) -> bool:
    first, second = load_file(first), load_file(second)
    return first.keys() == second.keys() and all(torch.equal(second[name], first[name]) for name in first)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_it_learns(tiny, toy, tmp_path, precision):
    recipe = Recipe("learn", (stage(15, precision=precision),))
    best = fit(tiny, recipe, toy(48), toy(12, seed=1), tmp_path, variant="norm")
    assert accuracy(best, toy(30, seed=2)) > 0.9
    provenance = load_checkpoint(best).provenance
    assert provenance["validation_accuracy"] == max(
        float(row["validation_accuracy"]) for row in rows(tmp_path)
    )
    assert (provenance["train"]["images"], provenance["precision"]) == (48, precision)


@pytest.fixture(scope="module")
def uninterrupted(tiny, toy, tmp_path_factory):
    out, seen = tmp_path_factory.mktemp("whole"), []
    fit(tiny, EVERYTHING, toy(25), toy(6, seed=1), out, seed=5, on_progress=seen.append, variant="norm")
    return out, seen


def test_progress_counts_up_to_the_end(uninterrupted):
    _, seen = uninterrupted
    steps = [event.step for event in seen]
    assert steps == sorted(steps)
    assert (steps[0], steps[-1], seen[-1].steps, seen[-1].eta_s) == (1, 27, 27, 0.0)
    assert {(event.stage, event.epoch) for event in seen} == {
        *((1, 1), (1, 2), (2, 1), (3, 1), (3, 2), (3, 3)),
    }
    assert seen[0].validation_accuracy is None
    assert seen[-1].validation_accuracy is not None


def test_checkpoints_state_and_log_are_there_and_nothing_else(uninterrupted, tiny):
    out, _ = uninterrupted
    assert sorted(path.name for path in out.iterdir()) == [
        *("best.json", "best.safetensors", "last.json", "last.safetensors"),
        *("log.csv", "state.json", "state.safetensors"),
    ]
    assert [(row["stage"], row["epoch"], row["size"], row["learning_rate"]) for row in rows(out)] == [
        ("1", "1", "16", "0.003"),
        ("1", "2", "16", "0.001"),
        ("2", "1", "16", "0.0005"),
        ("3", "1", "20", "0.01"),
        ("3", "2", "20", "0.01"),
        ("3", "3", "20", "0.001"),
    ]
    assert load_checkpoint(out).contract == replace(tiny.contract, height=20, width=20)


@pytest.mark.parametrize(
    ("number", "leaves_with", "at_steps"),
    [(signal.SIGTERM, SystemExit, (2, 8, 9, 24)), (signal.SIGINT, KeyboardInterrupt, (6, 11, 21))],
    ids=["SIGTERM", "Ctrl-C"],
)
def test_an_interrupted_run_ends_with_the_weights_of_an_uninterrupted_one(
    uninterrupted, tiny, toy, tmp_path, number, leaves_with, at_steps
):
    whole, _ = uninterrupted
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)

    def run(stop_at):
        def watch(event):
            if event.step == stop_at:
                os.kill(os.getpid(), number)

        fit(
            tiny,
            EVERYTHING,
            toy(25),
            toy(6, seed=1),
            tmp_path,
            variant="norm",
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
        assert same_weights(whole / f"{name}.safetensors", tmp_path / f"{name}.safetensors")
    assert (tmp_path / "log.csv").read_text() == (whole / "log.csv").read_text()
    assert (tmp_path / "state.json").read_text() == (whole / "state.json").read_text()


def test_a_stop_during_the_last_validation_is_not_lost(tiny, toy, tmp_path):
    def watch(event):
        if event.validation_accuracy is not None:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit):
        fit(tiny, Recipe("short", (stage(1),)), toy(8), toy(3), tmp_path, on_progress=watch)
    assert len(rows(tmp_path)) == 1


@pytest.mark.slow
def test_class_centres_resume_too(toy, tmp_path):
    """DSAN's have an optimizer of their own."""
    sgd = {**COMMON, "optimizer": Optimizer("adam")}
    recipe = Recipe("centres", (Stage(32, 1, 8, 1e-4, **sgd),))
    for out, stops in ((tmp_path / "whole", [None]), (tmp_path / "parts", [1, None])):
        for stop_at in stops:

            def watch(event, stop_at=stop_at):
                if event.step == stop_at:
                    os.kill(os.getpid(), signal.SIGTERM)

            try:
                fit(
                    get("dsan"),
                    recipe,
                    toy(16),
                    toy(3),
                    out,
                    resume=stop_at != stops[0],
                    on_progress=watch,
                )
            except SystemExit:
                assert stop_at == 1
    assert "objective.centres" in load_file(tmp_path / "whole" / "state.safetensors")
    assert same_weights(tmp_path / "whole" / "state.safetensors", tmp_path / "parts" / "state.safetensors")


def test_a_finished_run_has_nothing_left_to_resume(uninterrupted, tiny, toy):
    out, _ = uninterrupted
    before = (out / "last.safetensors").read_bytes()
    best = fit(tiny, EVERYTHING, toy(25), toy(6, seed=1), out, seed=5, resume=True, variant="norm")
    assert best == out / "best.json"
    assert (out / "last.safetensors").read_bytes() == before


def test_only_the_same_training_is_resumed(uninterrupted, tiny, toy, tmp_path):
    out, _ = uninterrupted
    sets = toy(25), toy(6, seed=1)
    same = {"resume": True, "variant": "norm", "seed": 5}
    with pytest.raises(UsageError, match="nothing to resume"):
        fit(tiny, EVERYTHING, *sets, tmp_path, **same)
    with pytest.raises(UsageError, match="seed: 5 before, 6 now"):
        fit(tiny, EVERYTHING, *sets, out, **same | {"seed": 6})
    with pytest.raises(UsageError, match="teacher: none before, "):
        fit(tiny, EVERYTHING, *sets, out, **same, teacher=load_checkpoint(out))
    with pytest.raises(
        UsageError,
        match=r"train: 25 faces of toy-0 before, 21 faces of toy-0 now; recipe, stages: 3 before, 1 now",
    ):
        other = replace(EVERYTHING, stages=EVERYTHING.stages[:1])
        fit(tiny, other, toy(21), sets[1], out, **same)


@pytest.mark.parametrize("damage", ["weights", "card"])
def test_a_damaged_state_is_refused(uninterrupted, tiny, toy, tmp_path, damage):
    out, _ = uninterrupted
    for name in ("state.json", "state.safetensors"):
        content = (out / name).read_bytes()
        cut = name == {"weights": "state.safetensors", "card": "state.json"}[damage]
        (tmp_path / name).write_bytes(content[: len(content) // 2] if cut else content)
    with pytest.raises(DataError, match="damaged"):
        fit(tiny, EVERYTHING, toy(25), toy(6, seed=1), tmp_path, seed=5, variant="norm", resume=True)


def test_a_stage_that_gets_no_better_ends(tiny, toy, tmp_path):
    """Validation labels that contradict the training's: the better it learns, the worse it does."""
    recipe = Recipe("stuck", (stage(20, patience=2, ema_decay=0.5, monitor="validation_loss"),))
    fit(tiny, recipe, toy(48), toy(6, seed=1, shift=1), tmp_path)
    best = json.loads((tmp_path / "best.json").read_text())["provenance"]["epochs"]
    assert len(rows(tmp_path)) == best + 2 < 20


def test_a_loss_that_is_no_longer_finite_ends_the_run_and_keeps_the_last_good_epoch(tiny, toy, tmp_path):
    explodes = stage(3, 1e30, optimizer=Optimizer("sgd"), gradient_clip=0.0)
    recipe = Recipe("explodes", (stage(1), explodes))
    with pytest.raises(CheckError, match=r"the loss is (nan|inf) at step [4-6] \(stage 2, epoch 1"):
        fit(tiny, recipe, toy(24), toy(6), tmp_path)
    assert len(rows(tmp_path)) == 1
    assert json.loads((tmp_path / "state.json").read_text())["position"]["done_steps"] == 3
    for name in ("best", "last"):
        weights = load_checkpoint(tmp_path / f"{name}.json").weights
        assert all(value.isfinite().all() for value in weights.values())


def test_given_weights_are_the_start(uninterrupted, tiny, toy, tmp_path):
    start = load_checkpoint(uninterrupted[0])
    still = Recipe("still", (stage(1, 1e-9),))
    path = fit(tiny, still, toy(8), toy(3), tmp_path, initial=start, variant="norm")
    trained = load_checkpoint(path)
    for name in ("features.0.weight", "classify.weight"):
        torch.testing.assert_close(trained.weights[name], start.weights[name])
    assert trained.provenance["initial"]["sha256"] == start.describe()["sha256"]


@pytest.mark.parametrize("averaged", [True, False])
def test_the_average_is_what_is_saved_where_there_is_one(tiny, toy, tmp_path, averaged):
    recipe = Recipe("average", (stage(2, ema_decay=0.9 if averaged else 0.0),))
    fit(tiny, recipe, toy(24), toy(3), tmp_path)
    state, saved = load_file(tmp_path / "state.safetensors"), load_file(tmp_path / "last.safetensors")
    prefix = "average" if averaged else "objective.network"
    assert all(torch.equal(state[f"{prefix}.{name}"], value) for name, value in saved.items())
    moved = state["objective.network.classify.weight"]
    assert torch.equal(saved["classify.weight"], moved) is not averaged


def test_gradients_are_clipped_by_their_norm_over_all_weights(tiny, toy, tmp_path):
    """One step of plain SGD at rate one moves the weights by the clipped gradient."""
    sgd = Optimizer("sgd", momentum=0.0)
    recipe = Recipe("clip", (stage(1, 1.0, optimizer=sgd, gradient_clip=0.01, ema_decay=0.0),))
    torch.manual_seed(7)
    before = tiny.build(None, 3).state_dict()
    after = load_checkpoint(fit(tiny, recipe, toy(8), toy(3), tmp_path, seed=7)).weights
    moved = torch.cat([(after[name] - before[name]).flatten() for name in before])
    assert moved.norm().item() == pytest.approx(0.01, rel=1e-4)


@pytest.mark.parametrize("soft", [True, False])
def test_votes_are_learnt_only_where_the_recipe_says_so(tiny, toy, tmp_path, soft):
    faces = toy(48)
    votes = np.eye(3, dtype=np.float32)[(faces.labels + 1) % 3]
    recipe = Recipe("votes", (stage(15, soft_labels=soft),))
    path = fit(tiny, recipe, replace(faces, votes=votes), toy(6, seed=1), tmp_path)
    assert accuracy(path.with_name("last.json"), toy(30, seed=2, shift=1 if soft else 0)) > 0.9


def test_a_teacher_is_followed_at_its_own_size_and_kept_out_of_what_is_saved(
    tiny, toy, tmp_path, monkeypatch
):
    """A student of wrong labels ends up where its teacher is."""
    shown, logits = set(), Teacher.logits
    monkeypatch.setattr(
        Teacher, "logits", lambda self, images: (shown.add(images.shape), logits(self, images))[1]
    )
    taught = fit(tiny, Recipe("teacher", (stage(15),)), toy(48), toy(6), tmp_path / "teacher")
    teacher = load_checkpoint(taught)
    wide = replace(teacher, contract=replace(tiny.contract, height=24, width=24))
    recipe = Recipe("student", (stage(15, distillation=Distillation(temperature=2.0, share=1.0)),))
    sets = toy(48, shift=1), toy(6, seed=1)
    path = fit(tiny, recipe, *sets, tmp_path / "student", teacher=wide, variant="norm")
    last = path.with_name("last.json")
    assert accuracy(last, toy(30, seed=2)) > 0.9
    assert shown == {(8, 3, 24, 24)}
    assert load_checkpoint(last).provenance["teacher"] == teacher.describe()
    student = tiny.build("norm", 3).state_dict()
    state = load_file(path.with_name("state.safetensors"))
    assert {name for name in state if name.startswith("objective.")} == {
        f"objective.network.{name}" for name in student
    }


def test_pictures_in_a_file_train_the_same_weights_as_those_in_memory(tiny, toy, tmp_path):
    faces, recipe = toy(25), Recipe("stream", (stage(3),))
    np.save(tmp_path / "faces.npy", faces.images)
    mapped = FaceSet(faces.name, MappedImages(tmp_path / "faces.npy"), faces.labels, faces.classes)
    for name, each in (("memory", faces), ("file", mapped)):
        fit(tiny, recipe, each, toy(6, seed=1), tmp_path / name)
    for name in ("state", "best"):
        assert same_weights(*(tmp_path / where / f"{name}.safetensors" for where in ("memory", "file")))


def test_sets_that_do_not_go_together_are_refused(tiny, toy, tmp_path):
    other = replace(toy(6), classes=("blue", "green", "red"))
    for pair in ((toy(6), other), (toy(0), toy(6)), (toy(6), toy(0))):
        with pytest.raises(DataError, match="do not go together"):
            fit(tiny, EVERYTHING, *pair, tmp_path)
    assert list(tmp_path.iterdir()) == []
