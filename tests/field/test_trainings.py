"""Trainings: none overwrites another, all is tried first, and what goes on and what was seen is told."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from edgefer.cli.main import app
from edgefer.data.faceset import FaceSet
from edgefer.data.seen import KEPT, seen
from edgefer.pipeline import folds as folds_module
from edgefer.pipeline import train as train_module
from edgefer.pipeline.evaluate import EvaluationSettings, evaluate
from edgefer.pipeline.folds import cross_validate
from edgefer.pipeline.planning import Folds, TrainSettings, command
from edgefer.pipeline.runs import training_folder
from edgefer.pipeline.subjects import SHIPPED, find_checkpoint
from edgefer.pipeline.train import train_model
from edgefer.training.card import read_card
from edgefer.training.checkpoint import load_checkpoint
from edgefer.training.loop import _Run
from edgefer.training.progress import Progress
from edgefer.training.selection import describe
from edgefer_runtime.errors import DataError, DeviceError, EdgeferError, UsageError

RECIPE = """
[tiny]
size = 16
epochs = 2
batch_size = 8
learning_rate = 1e-3
[[tiny.stages]]
"""
STEPS = 4
"""Of an epoch: 36 faces without those held out, eight at once."""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def draw(folder: Path, seed: int = 0, count: int = 12) -> Path:
    """Noise of three expressions, no picture like another."""
    generator = np.random.default_rng(seed)
    for name in ("anger", "fear", "happiness"):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = generator.integers(0, 256, (24, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number:02d}.png")
    return folder


@pytest.fixture
def settings(tmp_path: Path) -> TrainSettings:
    """A training of a moment, on a set whose name a shell would take apart."""
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(RECIPE)
    data = draw(tmp_path / "it's my set")
    return TrainSettings("lanmsff", data=f"folder:{data}", recipe=f"{recipe}:tiny", accelerator="cpu")


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """No face may be loaded."""

    def fail(*_: object) -> None:
        pytest.fail("faces were loaded")

    monkeypatch.setattr(train_module, "load_training_faces", fail)
    monkeypatch.setattr(folds_module, "load_faces", fail)


def stop_at(step: int, number: int = signal.SIGINT) -> Callable[[Progress], None]:
    def watch(progress: Progress) -> None:
        if progress.step == step and progress.finished_epochs == step // STEPS:
            os.kill(os.getpid(), number)

    return watch


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# What a training leaves stays


def test_a_second_training_takes_the_next_folder_and_is_the_one_that_is_meant(
    settings: TrainSettings,
) -> None:
    """Trained weights overwritten in silence: the usual folder did not depend on the set. Numbered."""
    first = train_model(settings).checkpoint.parent
    before, notes = contents(first), list[str]()
    second = train_model(replace(settings, seed=1), on_note=notes.append).checkpoint.parent
    assert [str(first), str(second)] == ["runs/lanmsff/train-full", "runs/lanmsff/train-full-2"]
    assert contents(first) == before
    assert notes[0] == f"{first} holds another training; this one goes to {second}"
    assert find_checkpoint("lanmsff")[1] == second / "best.json"
    shutil.rmtree(first)
    assert train_model(settings).checkpoint.parent.name == "train-full-3", "numbers are in order of time"


def test_a_folder_that_is_named_and_holds_a_training_is_refused(
    settings: TrainSettings, unread: None
) -> None:
    """The same for --output: exit 2 before any face is read, whichever part of a training is there."""
    for number, name in enumerate(("best.json", "state.json", "folds.json", "test.json")):
        folder = Path(f"mine-{number}")
        folder.mkdir()
        (folder / name).write_text("{}")
        for begin in (train_model, lambda each: cross_validate(each, 2)):
            with pytest.raises(UsageError, match=r"holds a training already(?s:.*)--output.*--resume"):
                begin(replace(settings, output=folder))
        assert contents(folder) == {name: b"{}"}


def test_an_interrupted_training_is_not_taken_for_a_finished_one(settings: TrainSettings) -> None:
    """After a kill in the first epoch nothing looks finished; later, a finished training is meant first."""
    with pytest.raises(KeyboardInterrupt):
        train_model(settings, on_step=stop_at(2))
    assert find_checkpoint("lanmsff")[1].parent == SHIPPED
    finished = train_model(replace(settings, seed=1)).checkpoint
    with pytest.raises(KeyboardInterrupt):
        train_model(replace(settings, seed=2), on_step=stop_at(STEPS + 1))
    assert Path("runs/lanmsff/train-full-3/best.json").exists()
    assert find_checkpoint("lanmsff")[1] == finished


def test_of_two_trainings_at_once_in_one_folder_one_is_refused(settings: TrainSettings) -> None:
    """Two processes wrote into one folder, each over the other's weights."""
    told, elsewhere = list[str](), list[Path]()

    def again(progress: Progress) -> None:
        if progress.step == 1:
            with pytest.raises(UsageError) as refused:
                train_model(replace(settings, output=Path("mine")))
            told.append(str(refused.value))

    def beside(progress: Progress) -> None:
        if progress.step == 1 and not elsewhere:
            elsewhere.append(Path())
            elsewhere[0] = train_model(settings).checkpoint.parent

    train_model(replace(settings, output=Path("mine")), on_step=again)
    assert f"going on in mine: process {os.getpid()}" in told[0]
    assert not Path("mine/.lock").exists()
    assert train_model(settings, on_step=beside).checkpoint.parent == training_folder("lanmsff")
    assert elsewhere == [training_folder("lanmsff").with_name("train-full-2")]


def test_a_lock_of_a_process_that_was_killed_keeps_nobody_out(settings: TrainSettings) -> None:
    Path("mine").mkdir()
    Path("mine/.lock").write_text("1")
    train_model(replace(settings, output=Path("mine")))


def test_a_training_that_cannot_begin_leaves_no_folder(settings: TrainSettings) -> None:
    with pytest.raises(DataError, match="36 pairs"):
        train_model(replace(settings, validation=settings.data))
    assert not Path("runs").exists()


def test_what_was_tested_says_which_weights_and_goes_with_them(settings: TrainSettings, here: Path) -> None:
    """test.json of the first set stayed beside the second's weights."""
    data = here / "parts"
    for split, seed in (("train", 1), ("val", 2), ("test", 3)):
        draw(data / split, seed, 8 if split == "train" else 3)
    settings = replace(settings, data=f"folder:{data}", output=Path("mine"))
    best = train_model(settings).checkpoint
    told = json.loads(Path("mine/test.json").read_text())
    assert told["checkpoint"] == {"sha256": read_card(best).weights["sha256"]} and told["images"] == 9

    other = replace(settings, output=Path("other"))
    with pytest.raises(KeyboardInterrupt):
        train_model(other, on_step=stop_at(2))
    shutil.copy("mine/test.json", "other/test.json")
    with pytest.raises(KeyboardInterrupt):
        train_model(replace(other, resume=True), on_step=stop_at(4))
    assert not Path("other/test.json").exists()


# Everything is tried first

WRONG = {
    "model": ({"model": "resnet"}, UsageError, "unknown model"),
    "variant": ({"variant": "half"}, UsageError, "unknown variant"),
    "recipe file": ({"recipe": "none.toml"}, UsageError, "no recipe file"),
    "recipe": ({"recipe": "none"}, UsageError, "no recipe 'none'"),
    "set": ({"data": "nothing"}, UsageError, "no face set"),
    "split": ({"data": "synthfer:trian"}, UsageError, "no split"),
    "folder of a set": ({"data": "folder:/no/such"}, DataError, "does not exist"),
    "validation set": ({"validation": "synthfer:vall"}, UsageError, "no split"),
    "no faces": ({"validation": "synthfer:val[:0]"}, DataError, "holds no faces"),
    "folder of validation faces": ({"validation": "folder:/no/such"}, DataError, "does not exist"),
    "nothing to resume": ({"resume": True}, UsageError, "nothing to resume in runs/lanmsff/train-full"),
    "nothing to resume there": ({"resume": True, "output": Path("none")}, UsageError, "resume in none"),
    "output that is a file": ({"output": Path("tiny.toml")}, DataError, "cannot be written"),
    "output below a file": ({"output": Path("tiny.toml/run")}, DataError, "cannot be written"),
    "output nobody may write": ({"output": Path("/proc/run")}, DataError, "cannot be written"),
    "seed": ({"seed": -1}, UsageError, "--seed -1"),
    "epochs": ({"epochs": 0}, UsageError, "0 epochs"),
    "batch size": ({"batch_size": 1}, UsageError, "batches of 1 faces"),
    "two ways to choose": ({"random_split": True, "validation": "synthfer:val"}, UsageError, "--random-spl"),
    "pretrained": ({"model": "dsan", "pretrained": Path("no.pth")}, DataError, "no.pth cannot be read"),
    "no backbone": ({"pretrained": Path("tiny.toml")}, UsageError, "no backbone"),
    "teacher": ({"teacher": "nobody"}, UsageError, "neither a model nor a file"),
}


@pytest.mark.parametrize(("wrong", "kind", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told_before_any_face_is_loaded(
    settings: TrainSettings,
    unread: None,
    wrong: dict[str, object],
    kind: type[EdgeferError],
    message: str,
) -> None:
    """Names and folders were tried after minutes of rendering or decoding; nothing is written either."""
    if "model" in wrong:
        settings = replace(settings, recipe="synthfer")
    before = sorted(Path().rglob("*"))
    with pytest.raises(kind, match=re.escape(message)):
        train_model(replace(settings, **wrong))
    assert sorted(Path().rglob("*")) == before


def test_what_needs_no_torch_is_told_without_it(settings: TrainSettings) -> None:
    """Loading torch takes longer than a second."""
    script = """
import sys
from edgefer.pipeline.folds import cross_validate
from edgefer.pipeline.planning import TrainSettings
from edgefer.pipeline.train import train_model
from edgefer_runtime.errors import EdgeferError
for wrong in ({"model": "no"}, {"variant": "no"}, {"recipe": "no"}, {"data": "no"}, {"resume": True},
              {"output": "/proc/no"}, {"recipe": "small.toml:tiny"}):
    settings = TrainSettings(**{"model": "lanmsff", **wrong})
    for begin in (train_model, lambda each: cross_validate(each, 2)):
        try:
            begin(settings)
        except EdgeferError as error:
            print(error.found)
assert "torch" not in sys.modules
"""
    Path("small.toml").write_text(RECIPE.replace("16", "8"))
    script = script.replace('"/proc/no"', '__import__("pathlib").Path("/proc/no")')
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    assert len(ran.stdout.splitlines()) == 14


def test_options_that_would_be_passed_over_are_refused(settings: TrainSettings, unread: None) -> None:
    with pytest.raises(UsageError, match="--random-split together with --folds"):
        cross_validate(replace(settings, random_split=True), 2)
    ran = CliRunner().invoke(app, ["train", "lanmsff", "--image-folds"])
    assert ran.exit_code == 2 and "without --folds" in ran.output


# Sizes


@pytest.mark.parametrize(
    ("model", "size", "choice"),
    [
        ("lanmsff", 8, "16 pixels"),
        ("pattlite", 48, "81 pixels"),
        ("fcsdnet", 28, "29 pixels"),
        ("gmslpa", 100, "96 or 121 pixels"),
    ],
)
def test_a_size_that_the_network_cannot_take_is_told_before_the_faces(
    settings: TrainSettings, unread: None, here: Path, model: str, size: int, choice: str
) -> None:
    """A recipe's size = 48 ended in a raw traceback of torch."""
    (here / "tiny.toml").write_text(RECIPE.replace("16", str(size)))
    variant = "max-floor" if model == "fcsdnet" else None
    with pytest.raises(UsageError, match=f"{size} x {size} pixels(?s:.*)choose {choice}"):
        train_model(replace(settings, model=model, variant=variant))


# What goes on is told


def test_a_log_has_a_line_a_stage_and_an_epoch(settings: TrainSettings) -> None:
    """Off a terminal a training was silent to its end."""
    words = ["train", "lanmsff", "--data", settings.data, "--recipe", settings.recipe, "--accelerator", "cpu"]
    ran = CliRunner().invoke(app, words)
    assert ran.exit_code == 0, ran.output
    threads = torch.get_num_threads()
    lines = ran.stderr.splitlines()
    # What was understood of the set comes first (test_face_sets.py).
    lines = lines[next(number for number, line in enumerate(lines) if line.startswith("32 faces of")) :]
    assert re.search(r"^32 faces of .*kept.* to learn from, 4 of .*held out.* to choose the best", lines[0])
    assert (
        "stage 1/1: 16 x 16 pixels, 2 epochs of 4 steps, batches of 8, 32 faces, 4 held out, on cpu"
        in lines[1]
    )
    assert f"{threads} thread" in lines[1]
    for number, line in enumerate(lines[2:4], 1):
        assert re.match(
            rf"stage 1/1 epoch {number}/2: loss \d.\d+  accuracy .*%  validation .*%  \d+ s left", line
        )
    assert lines[4].startswith("best checkpoint: runs/lanmsff/train-full/best.json")


def test_a_cross_validation_tells_of_each_fold(settings: TrainSettings) -> None:
    notes: list[str] = []
    cross_validate(replace(settings, epochs=1), 2, apart="image", on_note=notes.append)
    assert [note[:11] for note in notes] == ["fold 1 of 2"] * 2 + ["fold 2 of 2"] * 2
    assert "18 faces to train with, 18 to test with" in notes[0]
    assert re.search(r"accuracy \d+\.\d % on 18 faces, validation", notes[1])


# Interrupted, and gone on with


def test_ctrl_c_tells_what_is_kept_and_the_command_that_goes_on(settings: TrainSettings) -> None:
    """The message said that nothing half-written was left, and not that there is --resume."""
    whole = train_model(replace(settings, output=Path("whole"), seed=4, batch_size=9)).checkpoint
    train_model(settings)  # The usual folder is taken.
    notes: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        train_model(replace(settings, seed=4, batch_size=9), on_step=stop_at(2), on_note=notes.append)
    told, line = notes[-1].split("\n")
    assert "2 steps" in told and "kept in runs/lanmsff/train-full-2" in told
    words = shlex.split(line)
    assert words[:3] == ["edgefer", "train", "lanmsff"] and words[-1] == "--resume"
    ran = CliRunner().invoke(app, words[1:])
    assert ran.exit_code == 0, ran.output
    assert (
        read_card(Path("runs/lanmsff/train-full-2/best.json")).weights["sha256"]
        == read_card(whole).weights["sha256"]
    )


def test_resume_without_a_folder_finds_the_training_with_these_settings(settings: TrainSettings) -> None:
    for seed in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            train_model(replace(settings, seed=seed), on_step=stop_at(2))
    relative = replace(settings, data=f"folder:{Path(settings.data[7:]).name}")
    for seed, name in ((1, "train-full"), (2, "train-full-2")):
        resumed = train_model(replace(relative, seed=seed, resume=True))
        assert resumed.checkpoint.parent.name == name


def test_every_option_is_in_the_command_that_goes_on(settings: TrainSettings) -> None:
    """Parsed again, the command means the same training."""
    asked = replace(
        settings,
        variant="plain",
        validation="my other set",
        drop_duplicates=True,
        epochs=7,
        batch_size=3,
        pretrained=Path("a file.pth"),
        teacher="dsan",
        devices=2,
        nodes=2,
        seed=9,
        tensorboard=True,
        output=Path("a b"),
    )
    found: list[TrainSettings] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_module, "train_model", lambda given, **_: found.append(given))
        CliRunner().invoke(app, shlex.split(command(asked))[1:])
    assert found == [replace(asked, resume=True)]
    assert "--folds 5 --image-folds" in command(asked, Folds(5, "image"))


def test_ctrl_c_in_a_cross_validation_tells_of_the_folds(settings: TrainSettings) -> None:
    settings, notes = replace(settings, output=Path("mine")), list[str]()

    def watch(progress: Progress) -> None:
        if "fold 2" in notes[-1]:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        cross_validate(settings, 2, apart="image", on_step=watch, on_note=notes.append)
    assert "1 finished folds and fold 2" in notes[-1] and "--folds 2 --image-folds" in notes[-1]
    assert len(cross_validate(replace(settings, resume=True), 2, apart="image")[1]["folds"]) == 2


def test_interrupted_before_anything_there_is_nothing_to_go_on_with(settings: TrainSettings) -> None:
    notes: list[str] = []

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_model(settings, on_progress=stop, on_note=notes.append)
    assert "the same command starts again" in notes[-1] and not Path("runs").exists()


def test_sigterm_tells_it_too(settings: TrainSettings) -> None:
    """As a scheduler ends a job, in a process of its own: exit code 143."""
    words = shlex.split(command(replace(settings, epochs=500, output=Path("mine"))))[1:-1]
    process = subprocess.Popen(
        [sys.executable, "-m", "edgefer.cli.main", *words], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "epoch 1/500: loss" in line:
            process.send_signal(signal.SIGTERM)
            break
    rest = process.stderr.read()
    assert process.wait(timeout=120) == 143
    assert "kept in mine; to go on:\nedgefer train lanmsff" in rest and rest.count("--resume") == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"seed": 6}, "seed: 5 before, 6 now"),
        ({"epochs": 3}, "recipe, stage 1, epochs: 2 before, 3 now"),
        ({"batch_size": 4}, "recipe, stage 1, batch_size: 8 before, 4 now"),
        ({"variant": "plain"}, "variant: full before, plain now"),
        ({"data": "synthfer:train"}, "now"),
        ({"drop_duplicates": True}, "drop_duplicates: False before, True now"),
    ],
    ids=lambda each: str(each)[:20],
)
def test_resuming_with_other_settings_says_what_differs(
    settings: TrainSettings, monkeypatch: pytest.MonkeyPatch, change: dict[str, object], told: str
) -> None:
    """It said "recipe differ", not which key, and after the faces were loaded."""
    settings = replace(settings, seed=5, output=Path("mine"))
    with pytest.raises(KeyboardInterrupt):
        train_model(settings, on_step=stop_at(2))
    monkeypatch.setattr(train_module, "load_training_faces", lambda *_: pytest.fail("faces were loaded"))
    with pytest.raises(UsageError, match=re.escape(told)):
        train_model(replace(settings, resume=True, **change))


def test_a_run_from_before_there_were_records_is_resumed(settings: TrainSettings) -> None:
    """Its state tells model, variant, seed and recipe."""
    settings = replace(settings, output=Path("mine"))
    with pytest.raises(KeyboardInterrupt):
        train_model(settings, on_step=stop_at(2))
    Path("mine/run.json").unlink()
    state = json.loads(Path("mine/state.json").read_text())
    for part in ("train", "validation"):
        del state["settings"][part]["sketch"]
    Path("mine/state.json").write_text(json.dumps(state))
    with pytest.raises(UsageError, match="seed: 0 before, 1 now"):
        train_model(replace(settings, resume=True, seed=1))
    train_model(replace(settings, resume=True))


def test_other_pictures_under_the_same_name_are_noticed(settings: TrainSettings) -> None:
    settings = replace(settings, output=Path("mine"))
    with pytest.raises(KeyboardInterrupt):
        train_model(settings, on_step=stop_at(2))
    shutil.rmtree(settings.data[7:])
    draw(Path(settings.data[7:]), seed=5)
    with pytest.raises(UsageError, match="train: other pictures or labels than before"):
        train_model(replace(settings, resume=True))


# Memory

STARVED = """
import json, resource, sys
from pathlib import Path
from edgefer.pipeline.planning import TrainSettings
from edgefer.pipeline.train import train_model
from edgefer_runtime.errors import EdgeferError
import lightning_fabric, torch, torch.utils.flop_counter
given = json.loads(sys.argv[1])
settings = TrainSettings("lanmsff", data=given["data"], recipe=given["recipe"], accelerator="cpu",
                         batch_size=given["batch_size"], output=Path(given["output"]))
# What a training loads and allocates once, whatever its batches.
train_model(TrainSettings("lanmsff", data=given["data"], recipe="usual.toml:tiny", accelerator="cpu",
                          epochs=1, output=Path(given["output"] + "-before")))
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + given["room"],) * 2)
try:
    train_model(settings)
except EdgeferError as error:
    sys.stderr.write(str(error))
    sys.exit(error.exit_code)
"""


def test_out_of_memory_says_what_fits(settings: TrainSettings, here: Path) -> None:
    """58 lines of traceback, and no --batch-size. Here the limit is the system's own (RLIMIT_AS)."""
    (here / "usual.toml").write_text(RECIPE)
    (here / "tiny.toml").write_text(
        RECIPE.replace("16", "64").replace("epochs = 2", "epochs = 1\nrepeats = 8")
    )
    given = {"data": settings.data, "recipe": settings.recipe, "room": 1 << 30}

    def run(batch_size: int, output: str) -> subprocess.CompletedProcess[str]:
        words = json.dumps({**given, "batch_size": batch_size, "output": output})
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            [sys.executable, "-c", STARVED, words],
            capture_output=True,
            text=True,
            timeout=900,
            env=environment,
        )

    ran = run(256, "large")
    assert ran.returncode == DeviceError.exit_code, ran.stderr
    assert "Traceback" not in ran.stderr and "batch of 256 faces of 64 x 64 pixels" in ran.stderr
    # Found by a fresh process under the same limit, since this one's heap is in pieces.
    found = re.search(r"one of (\d+) faces does(?s:.*)train with --batch-size (\d+)", ran.stderr)
    assert found and found[1] == found[2] and 2 <= int(found[1]) < 256, ran.stderr
    assert not Path("large").exists()


@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory: you"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("could not create a primitive"),
    ],
    ids=["cuda", "python", "torch", "c++", "onednn"],
)
def test_every_kind_of_exhaustion_is_told(
    settings: TrainSettings, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """What the libraries raise, from a step with more than five faces: three fit, found by halving eight."""
    step = _Run.train_step

    def starve(run, pictures, batch):  # type: ignore[no-untyped-def]
        if len(batch) > 5:
            raise error
        step(run, pictures, batch)

    monkeypatch.setattr(_Run, "train_step", starve)
    with pytest.raises(DeviceError, match=r"8 faces of 16 x 16 pixels(?s:.*)--batch-size 4"):
        train_model(settings)
    train_model(replace(settings, batch_size=4))


def test_other_errors_of_a_step_are_not_taken_for_exhaustion(
    settings: TrainSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in ("a bug", "could not create a primitive descriptor for a convolution"):

        def fail(*_: object, words: str = words) -> None:
            raise RuntimeError(words)

        monkeypatch.setattr(_Run, "train_step", fail)
        with pytest.raises(RuntimeError, match=words):
            train_model(settings)


def test_faces_that_memory_does_not_suffice_for_are_told(
    settings: TrainSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError("Unable to allocate 40.0 GiB for an array")

    monkeypatch.setattr(train_module, "load_training_faces", fail)
    with pytest.raises(DeviceError, match=r"while faces were loaded: Unable to allocate 40.0 GiB"):
        train_model(settings)


# Faces that have been seen


def test_faces_that_trained_the_network_are_told(settings: TrainSettings, here: Path) -> None:
    """A checkpoint knows its sets, and an evaluation on them passed for one on new faces."""
    best = train_model(settings).checkpoint
    whole = evaluate(EvaluationSettings(str(best), settings.data))
    shares = {each["role"]: each["share"] for each in whole["seen"]}
    assert shares == {"train": pytest.approx(32 / 36), "validation": pytest.approx(4 / 36)}
    assert "trained the network" in whole["notice"]

    # Other names, another order, more pictures: known by the pixels.
    mixed = draw(here / "mixed", seed=9)
    for name in ("anger", "fear", "happiness"):
        for picture in (here / "it's my set" / name).iterdir():
            shutil.copy(picture, mixed / name / f"a{picture.name}")
    found = evaluate(EvaluationSettings(str(best), f"folder:{mixed}"))["seen"]
    assert sum(each["share"] for each in found) == pytest.approx(0.5)

    new = draw(here / "new", seed=10)
    assert evaluate(EvaluationSettings(str(best), f"folder:{new}"))["seen"] == []
    ran = CliRunner().invoke(app, ["eval", str(best), "--data", settings.data, "--json"])
    assert "warning: about 88.9 % of these faces trained the network" in ran.stderr
    assert json.loads(ran.stdout)["seen"] == whole["seen"]


def noise(name: str, first: int, count: int) -> FaceSet:
    """Pictures ``first`` to ``first + count`` of an endless row."""
    images = np.stack(
        [
            np.random.default_rng(number).integers(0, 256, (2, 2, 3), np.uint8)
            for number in range(first, first + count)
        ]
    )
    return FaceSet(name, images, np.zeros(count, np.int64), ("one", "other"))


@pytest.mark.parametrize(("first", "share"), [(0, 1.0), (1000, 0.5), (1800, 0.1), (2000, None)])
def test_a_part_of_a_large_set_is_told_from_a_sketch(first: int, share: float | None) -> None:
    """More pictures than the sketch holds, so that the share is an estimate."""
    trained = noise("folder:/a", 0, 2000)
    assert len(trained) > KEPT
    found = seen({"train": describe(trained)}, noise("folder:/b", first, 2000))
    if share is None:
        assert found == []
    else:
        assert found[0].share == pytest.approx(share, abs=0.05)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("synthfer:train-large", [("train", 1.0)]),
        ("synthfer:train[:35]", [("train", 1.0)]),
        ("synthfer:val", [("validation", 1.0)]),
        ("synthfer:eval", []),
        ("synthfer:test[:70]", []),
    ],
)
def test_shipped_weights_know_the_names_of_their_faces(name: str, told: list[tuple[str, float]]) -> None:
    """They are from before there were sketches."""
    provenance = load_checkpoint(SHIPPED / "lanmsff.json").provenance
    found = seen(provenance, replace(noise(name, 0, 4)))
    assert [(each.role, each.share) for each in found] == told


def test_the_name_of_a_set_alone_does_not_tell_how_much() -> None:
    found = seen({"train": {"name": "folder:/a (kept)"}}, noise("folder:/a", 0, 4))
    assert str(found[0]).startswith("some or all of these faces trained the network")
    assert seen({"train": {"name": "folder:/a@train"}}, noise("folder:/a@test", 0, 4)) == []


@pytest.mark.parametrize(
    "damage", [None, 3, [], {"sketch": "%"}, {"sketch": 7}, {"name": None}, {"sketch": ""}]
)
def test_a_provenance_that_is_not_ours_is_passed_over(damage: object) -> None:
    assert seen({"train": damage}, noise("folder:/b", 0, 4)) == []


@pytest.mark.slow
def test_48_pixels_reach_an_engine_that_knows_what_it_has_seen(here: Path) -> None:
    """FER2013's own size through training and every check of the export.

    Not INT8: weights of one epoch leave no room for it on a processor that saturates (faults A.10).
    """
    from edgefer.pipeline.export import ExportSettings, export_bundles

    Path("tiny.toml").write_text(RECIPE.replace("16", "48").replace("epochs = 2", "epochs = 1"))
    data = "synthfer:train[:140]"
    train = TrainSettings("lanmsff", data=data, validation="synthfer:val[:35]", recipe="tiny.toml:tiny")
    best = train_model(train).checkpoint
    assert load_checkpoint(best).contract.height == 48
    rows = export_bundles(
        ExportSettings(
            str(best),
            precisions=("fp32", "fp16"),
            targets=("onnxruntime", "openvino"),
            calibration="synthfer:train[:70]",
            data="synthfer:val[:35]",
            timing=False,
            output=Path("bundles"),
        )
    )
    assert len(rows) == 4
    assert all("chose its best epoch (synthfer:val[:35])" in row["notice"] for row in rows)
    for row in rows:
        found = evaluate(EvaluationSettings(row["path"], "synthfer:train[:70]"))["seen"]
        roles = ["train", *(["calibration"] if row["precision"] == "fp16" else [])]
        assert [(each["role"], each["share"]) for each in found] == [(role, 1.0) for role in roles]
