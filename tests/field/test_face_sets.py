"""Face sets that people have, and what must be understood of them, told or refused."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from edgefer.cli.main import app
from edgefer.data import DATASETS, load
from edgefer.data.classes import parse_classes, with_classes, without_classes
from edgefer.data.faceset import FaceSet
from edgefer.data.folds import eighty_ten_ten, hold_out, image_folds
from edgefer.data.labels import meaning, nearly
from edgefer.data.leakage import guard
from edgefer.data.lookalikes import DISTANCE, find_lookalikes, measured, usual_distance
from edgefer.data.registry import find, list_faces
from edgefer.data.splits import like_a_split, split_of
from edgefer.pipeline.calibrate import Draw, draw_set
from edgefer.pipeline.planning import TrainSettings
from edgefer.pipeline.train import load_training_faces
from edgefer_runtime.errors import DataError

CLASSES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")


def face(seed: int) -> np.ndarray:
    """A 48 x 48 grey blob with two eyes and a mouth; all of them look much alike."""
    own = np.random.default_rng(seed)
    y, x = np.mgrid[:48, :48]
    picture = 90 + own.normal(0, 6, (48, 48)) + 90 * (((x - 24) / 18) ** 2 + ((y - 24) / 22) ** 2 < 1)
    for cx, cy in ((17, 19), (31, 19), (24, 34 + own.integers(-2, 3))):
        picture -= 80 * np.exp(-((x - cx - own.normal()) ** 2 + (y - cy) ** 2) / own.uniform(6, 14))
    return picture.clip(0, 255)


def pattern(seed: int) -> np.ndarray:
    """A 48 x 48 picture like no other."""
    coarse = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8), np.uint8))
    return np.asarray(coarse.resize((48, 48), Image.Resampling.BICUBIC), np.float64)


def save(path: Path, picture: np.ndarray, noise: float = 0, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noisy = picture + np.random.default_rng(seed).normal(0, noise, picture.shape) if noise else picture
    Image.fromarray(np.asarray(noisy).clip(0, 255).astype(np.uint8)).save(path)
    return path


def faces(folder: Path, names: Sequence[str], count: int, start: int = 0, draw=face) -> Path:
    for number, name in enumerate(names):
        for index in range(count):
            save(folder / name / f"{index:03}.png", draw(start + 1000 * number + index))
    return folder


def check(path: object, *words: str) -> tuple[int, str, dict]:
    """Exit code, what people read, and the findings if there are any."""
    done = CliRunner().invoke(app, ["datasets", "check", str(path), *words], env={"COLUMNS": "200"})
    found = CliRunner().invoke(app, ["datasets", "check", str(path), *words, "--json"]).stdout
    return done.exit_code, done.output, json.loads(found) if found else {}


def training(data: object, **settings) -> tuple[FaceSet, FaceSet, FaceSet | None]:
    return load_training_faces(TrainSettings("lanmsff", data=str(data), **settings))


# What is a class, and what is a split.


@pytest.mark.parametrize("stranger", ["extra", "eval", "fold1", "holdout", "train2", "docs"])
def test_a_folder_beside_splits_is_no_class(tmp_path: Path, stranger: str) -> None:
    """Unknown split (A.8): train, extra, val were three classes. Refused, exit 3, and the folder named."""
    for part in ("train", stranger, "val"):
        faces(tmp_path / part, CLASSES, 1, draw=pattern)
    code, told, _ = check(tmp_path)
    assert code == 3 and f"{stranger} in {tmp_path}" in told and "neither a split nor a class" in told
    with pytest.raises(DataError, match=stranger):
        training(tmp_path)


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (("Training", "Validation", "Testing"), ["train", "val", "test"]),
        (("train_set", "dev", "test-images"), ["train", "val", "test"]),
        (("Training", "PublicTest", "PrivateTest"), ["train", "val", "test"]),
        (("TRAIN", "valid"), ["train", "val"]),
    ],
)
def test_names_of_splits(tmp_path: Path, names: tuple[str, ...], splits: list[str]) -> None:
    """Split names as people write them (A.8): one of train, val, test, and never classes."""
    for number, name in enumerate(names):
        faces(tmp_path / name, CLASSES, 2, 10 * number, draw=pattern)
    code, told, found = check(tmp_path)
    assert code == 0, told
    assert sorted(found["per_split"]) == sorted(splits)
    assert all(list(counts) == list(CLASSES) for counts in found["per_split"].values())
    assert load(f"folder:{tmp_path}@validation").name.endswith("@validation")


@pytest.mark.parametrize("levels", [["ARCHIVE"], ["a", "b-master", "images"]])
def test_folders_around_a_set_are_gone_through(tmp_path: Path, levels: list[str]) -> None:
    """An archive's wrapper folder (A.8): it was the only class. What is in it is read, and where is told."""
    root = tmp_path.joinpath(*levels)
    for part in ("train", "test"):
        faces(root / part, CLASSES, 2, draw=pattern)
    (tmp_path / "__MACOSX" / "train").mkdir(parents=True)
    (tmp_path / "README.txt").write_text("about")
    code, told, found = check(tmp_path)
    assert code == 0 and f"in {'/'.join(levels)}" in told
    assert set(found["per_split"]) == {"train", "test"} and list(found["per_split"]["train"]) == list(CLASSES)


def test_published_sets_are_found_within_a_wrapper(tmp_path: Path) -> None:
    """A wrapper around a published set (A.8): RAF-DB is RAF-DB, named or not."""
    inner = tmp_path / "RAF-DB-main"
    save(inner / "basic/Image/aligned/train_00001_aligned.jpg", pattern(0))
    (inner / "basic/EmoLabel").mkdir()
    (inner / "basic/EmoLabel/list_patition_label.txt").write_text("train_00001.jpg 5\n")
    for name in (str(tmp_path), f"rafdb:{tmp_path}"):
        loaded = load(name)
        assert loaded.name.startswith("rafdb:") and loaded.classes[loaded.labels[0]] == "sadness"


def test_people_over_classes_are_no_classes(tmp_path: Path) -> None:
    """Folders of people with the classes in each (A.8): refused, and a csv file with subjects advised."""
    for person in ("anna", "ben"):
        faces(tmp_path / person, CLASSES, 1, draw=pattern)
    code, told, _ = check(tmp_path)
    assert code == 3 and "anna, ben" in told and "subject" in told


def test_people_within_classes_are_fine(tmp_path: Path) -> None:
    """Folders of people within each class (A.8's other side): pictures of the class, as ever."""
    for name in ("happy", "sad"):
        faces(tmp_path / name, ("anna", "ben"), 2, draw=pattern)
    assert check(tmp_path)[2]["per_split"] == {"all": {"happiness": 4, "sadness": 4}}


def test_a_split_within_a_split_and_a_split_without_classes(tmp_path: Path) -> None:
    """A split that holds pictures and no class folders (A.8): refused by name."""
    faces(tmp_path / "train", CLASSES, 1, draw=pattern)
    save(tmp_path / "test" / "0.png", pattern(1))
    code, told, _ = check(tmp_path)
    assert code == 3 and str(tmp_path / "test") in told
    faces(tmp_path / "test" / "val", CLASSES, 1, draw=pattern)
    code, told, _ = check(tmp_path)
    assert code == 3 and "val" in told


@given(st.sampled_from((*CLASSES, "happy", "mask", "no_mask", "bored", "anna")))
def test_classes_are_no_splits(word: str) -> None:
    """A class is never taken for a split (A.8), and no split's name for a class."""
    assert not like_a_split(word) and not split_of(word)


# What a class is called.


@pytest.mark.parametrize("numbers", [range(1, 8), range(7)])
def test_numbers_are_asked_about(tmp_path: Path, numbers: range) -> None:
    """Class numbers as folders' names (A.8): taken as words once. Asked about; --classes answers."""
    names = [str(number) for number in numbers]
    faces(tmp_path, names, 2, draw=pattern)
    code, told, _ = check(tmp_path)
    published = "1=surprise" if numbers[0] else "0=anger"
    assert code == 3 and "numbers" in told and "--classes" in told and published in told
    with pytest.raises(DataError, match="numbers"):
        training(tmp_path)
    answer = ",".join(f"{name}={label}" for name, label in zip(names, CLASSES, strict=True))
    code, told, found = check(tmp_path, "--classes", answer)
    assert code == 0 and f"{names[0]} = anger" in told and list(found["per_split"]["all"]) == list(CLASSES)
    loaded = load(with_classes(str(tmp_path), answer))
    assert [loaded.classes[label] for label in loaded.labels] == [name for name in CLASSES for _ in range(2)]


@pytest.mark.parametrize(
    ("word", "meant"),
    [("suprise", "surprise"), ("hapiness", "happiness"), ("neutrl", "neutral"), ("angery", "anger"),
     ("disgst", "disgust"), ("ang", "anger"), ("saddness", "sadness"), ("contemp", "contempt")],
)  # fmt: skip
def test_one_misspelt_class_stops_and_is_corrected(tmp_path: Path, word: str, meant: str) -> None:
    """One misspelt class (A.8): it turned the mapping of all names off. It stops, and a name is offered."""
    names = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral", "contempt"]
    names = [name for name in names if meaning(name) != meant] + [word]
    faces(tmp_path, names, 1, draw=pattern)
    code, told, found = check(tmp_path)
    assert code == 3 and f"did you mean {meant}?" in told and str(tmp_path / word) in told
    others = {meaning(name) for name in names if name != word}
    assert others <= set(found["per_split"]["all"])
    with pytest.raises(DataError, match=f"did you mean {meant}"):
        load(str(tmp_path))
    assert meant in load(with_classes(str(tmp_path), f"{word}={meant}")).classes


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (("Happy", "SADNESS", "neutral faces", "0_angry"), ["anger", "happiness", "sadness", "neutral"]),
        (("Wut", "Ekel", "Angst", "Freude", "Trauer", "Überraschung"), list(CLASSES[:6])),
        (("überrascht", "ärger"), ["anger", "surprise"]),  # the umlauts in two code points, as macOS has them
        (("HappyFaces", "Disgusted", "fearful"), ["disgust", "fear", "happiness"]),
        (("colère", "dégoût", "peur", "joie"), ["anger", "disgust", "fear", "happiness"]),
        (("happyness", "surprises"), ["happiness", "surprise"]),
    ],
)
def test_words_of_many_kinds_are_the_classes_they_mean(
    tmp_path: Path, names: tuple[str, ...], classes: list[str]
) -> None:
    """Case, plurals, adjectives, prefixes and other languages (A.8): mapped, and told."""
    faces(tmp_path, names, 1, draw=pattern)
    code, told, found = check(tmp_path)
    assert code == 0, told
    assert list(found["per_split"]["all"]) == classes
    assert "taken as" in told and set(found["names"]) <= set(names)


def test_strange_classes_among_expressions_are_asked_about(tmp_path: Path) -> None:
    """Mixed unknown classes (A.8): refused with the folder; --classes keeps, renames or leaves them out."""
    faces(tmp_path, ("happy", "sad", "bored"), 2, draw=pattern)
    code, told, _ = check(tmp_path)
    assert code == 3 and str(tmp_path / "bored") in told
    kept = load(with_classes(str(tmp_path), "bored=bored"))
    assert kept.classes == ("happiness", "sadness", "bored")
    assert load(with_classes(str(tmp_path), "bored=")).classes == ("happiness", "sadness")
    _, _, found = check(tmp_path, "--classes", "bored=")
    assert found["left_out"] == {"pictures whose class --classes leaves out": 2}


@pytest.mark.parametrize("names", [("mask", "no_mask"), ("smile", "other"), ("cats", "dogs")])
def test_classes_of_ones_own_are_allowed_and_told(tmp_path: Path, names: tuple[str, str]) -> None:
    """Classes that are no expressions (A.8): allowed where none is near one, and said plainly."""
    faces(tmp_path, names, 2, draw=pattern)
    code, told, found = check(tmp_path)
    assert code == 0 and "no expressions, classes of their own" in told
    assert found["own_classes"] == sorted(names)


@given(st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=12))
def test_no_word_is_taken_for_two_things(word: str) -> None:
    """A word that means an expression (A.8) is nearly that one, and a number is neither."""
    if known := meaning(word):
        assert nearly(word) == known
    assert meaning("12") == nearly("12") == ""


def test_classes_from_a_file_and_mistakes_in_them(tmp_path: Path) -> None:
    """--classes (A.8): pairs or a file; what does not fit is exit 2, with the words that are there."""
    faces(tmp_path / "set", ("1", "2"), 1, draw=pattern)
    table = tmp_path / "names.txt"
    table.write_text("\ufeff# RAF-DB\n1 = Surprise\n\n2=fear\n", encoding="utf-8")
    assert load(with_classes(str(tmp_path / "set"), str(table))).classes == ("fear", "surprise")
    for wrong, told in (
        ("1=surprize", "nearly 'surprise'"), ("3=fear,1=anger,2=sad", "'3'"), ("1", "pairs"),
        ("1=fear,1=anger", "twice"),
    ):  # fmt: skip
        code, output, _ = check(tmp_path / "set", "--classes", wrong)
        assert code == 2 and told in output, output
    code, output, _ = check(f"jaffe:{tmp_path}", "--classes", "1=fear")
    assert code == 2 and "name their own" in output


@given(st.dictionaries(st.text(min_size=1).filter(str.strip), st.text(), min_size=1))
def test_names_travel_in_an_address(named: dict[str, str]) -> None:
    """Names with any letters (A.8) come back out of the address that carries them."""
    from edgefer.data.classes import encoded

    address, back = without_classes(encoded("folder:a", named))
    assert address == "folder:a"
    assert back == {word: meaning(name) or name for word, name in named.items()}


def test_the_words_of_classes_option() -> None:
    """--classes says what a class is in any of its names (A.8)."""
    assert parse_classes("1=happy, 2 = Wut ,x=mask") == {"1": "happiness", "2": "anger", "x": "mask"}


# Which part does what.


def test_val_chooses_and_no_test_is_made_of_it(tmp_path: Path) -> None:
    """train/ and val/ (A.9): the best epoch was chosen on a tenth of train/ and val/ was called the test."""
    faces(tmp_path / "train", CLASSES, 8)
    faces(tmp_path / "val", CLASSES, 4, 400)
    train, validation, test = training(tmp_path)
    assert (len(train), len(validation), test) == (56, 28, None)
    assert validation.name.endswith("@val")
    guard(train, validation)


def test_a_set_with_all_three(tmp_path: Path) -> None:
    """val chooses, test tests (A.9), in folders and in a list with other words for them."""
    rows = ["label;split;path"]
    for number, (part, count) in enumerate((("Training", 4), ("validation", 2), ("TEST", 1))):
        faces(tmp_path / part, CLASSES, count, 100 * number, draw=pattern)
        rows += [f"{name};{part};{part}/{name}/{i:03}.png" for name in CLASSES for i in range(count)]
    (tmp_path / "faces.csv").write_text("\ufeff" + "\r\n".join(rows), encoding="utf-8")
    for data in (tmp_path, tmp_path / "faces.csv"):
        assert [len(part) for part in training(data) if part is not None] == [28, 14, 7]


def test_on_affectnet_val_tests(tmp_path: Path) -> None:
    """AffectNet (A.9): its publisher keeps the test faces, so val tests; a property of that set alone."""
    for folder, count in (("train_set", 24), ("val_set", 8)):
        for number in range(count):
            save(tmp_path / folder / "images" / f"{number}.png", pattern(100 * count + number))
            (tmp_path / folder / "annotations").mkdir(exist_ok=True)
            np.save(tmp_path / folder / "annotations" / f"{number}_exp.npy", str(number % 8))
    train, validation, test = training(f"affectnet:{tmp_path}", partial=True)
    assert test is not None and (len(test), len(train) + len(validation)) == (8, 24) and len(validation)
    assert {name for name, dataset in DATASETS.items() if dataset.tested_on != "test"} == {
        "affectnet", "affectnet7",
    }  # fmt: skip


def test_test_faces_never_train_by_default(tmp_path: Path) -> None:
    """A set of val and test without train (sister of A.9): all of it was trained on. Refused."""
    for part in ("val", "test"):
        faces(tmp_path / part, CLASSES, 1, draw=pattern)
    with pytest.raises(DataError, match="none to train on"):
        training(tmp_path)
    assert len(training(f"folder:{tmp_path}@test", validation="synthfer:val[:7]")[0]) == 7


def test_a_class_without_a_training_face(tmp_path: Path) -> None:
    """A class without any training face (A.8): it trained. Told by check, refused by train."""
    faces(tmp_path / "train", [name for name in CLASSES if name != "fear"], 2, draw=pattern)
    faces(tmp_path / "val", CLASSES, 2, 300, draw=pattern)
    code, told, found = check(tmp_path)
    assert code == 0 and found["untrained"] == ["fear"] and "no face to train on of fear" in told
    with pytest.raises(DataError, match="no face to train on of fear"):
        training(tmp_path)


@pytest.mark.parametrize("command", ["train", "eval"])
def test_what_is_plainly_no_face_set_stops_every_command(tmp_path: Path, command: str) -> None:
    """The doors beside datasets check (A.8): exit 3 with the folder, before anything is written."""
    faces(tmp_path / "set", ("angry", "happy", "suprise"), 2, draw=pattern)
    done = CliRunner().invoke(app, [command, "lanmsff", "--data", str(tmp_path / "set")])
    assert done.exit_code == 3 and "did you mean surprise?" in done.output
    assert "Traceback" not in done.output and [*tmp_path.iterdir()] == [tmp_path / "set"]


def test_what_was_understood_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A line a set (issue 16): faces, size, layout, classes with counts, folders' meaning, and roles."""
    for part, count in (("train", 3), ("val", 1)):
        faces(tmp_path / part, ("happy", "Trauer"), count, 10 * count, draw=pattern)
    with caplog.at_level(logging.INFO, "edgefer.faces"):
        training(tmp_path)
    told = "\n".join(caplog.messages)
    for words in (
        "6 faces, 48 x 48 pixels (one sub-folder a class, under one folder a split)",
        "happiness 3, sadness 3",
        "happy = happiness", "Trauer = sadness", "train trains, val chooses the best epoch",
    ):  # fmt: skip
        assert words in told


def test_what_was_understood_is_told_on_the_command_line(tmp_path: Path) -> None:
    """The same by the commands (issue 16): on standard error, and nothing of it under --json."""
    faces(tmp_path / "set", ("happy", "sad"), 60, draw=pattern)
    words = ["calibrate", "make", "--data", str(tmp_path / "set"), "--count", "100", "-o"]
    done = CliRunner().invoke(app, [*words, str(tmp_path / "a.npz")])
    assert done.exit_code == 0, done.output
    assert "120 faces, 48 x 48 pixels" in done.stderr and "happy = happiness" in done.stderr
    done = CliRunner().invoke(app, [*words, str(tmp_path / "b.npz"), "--json"])
    assert "120 faces" not in done.stderr and json.loads(done.stdout)["classes"] == {
        "happiness": 50,
        "sadness": 50,
    }


# Published sets.


def fer2013(root: Path, usages: Sequence[str]) -> Path:
    rows = [f"{i % 7},{' '.join(map(str, pattern(i).astype(int).ravel()))},{u}" for i, u in enumerate(usages)]
    root.mkdir(exist_ok=True)
    (root / "fer2013.csv").write_text("\n".join(["emotion,pixels,Usage", *rows]) + "\n")
    return root


def test_a_published_set_cut_in_the_middle(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A set cut in the middle (A.8): told with both counts; train refuses it, unless --partial says so."""
    root = fer2013(tmp_path / "fer", [*["Training"] * 14, *["PublicTest"] * 7, *["PrivateTest"] * 7])
    code, told, found = check(f"fer2013:{root}")
    assert code == 0 and len(found["missing"]) == 3
    assert "train has 14 faces, published are 28,709" in told and "--partial" in told
    with pytest.raises(DataError, match=r"train has 14 faces, published are 28,709; val has 7") as caught:
        training(f"fer2013:{root}")
    assert "--partial" in caught.value.action
    assert [len(part) for part in training(f"fer2013:{root}", partial=True) if part is not None] == [14, 7, 7]
    with caplog.at_level(logging.WARNING, "edgefer.faces"):
        load(f"fer2013:{root}@val")
    assert (
        "val has 7 faces, published are 3,589" in caplog.messages[-1] and "train" not in caplog.messages[-1]
    )


def test_the_published_counts() -> None:
    """What sets are held against (A.8): the numbers of their publishers."""
    counts = {name: dict(dataset.published) for name, dataset in DATASETS.items() if dataset.published}
    assert {name: sum(max(each) for each in splits.values()) for name, splits in counts.items()} == {
        "fer2013": 28709 + 3589 + 7178, "ferplus": 25060 + 3199 + 3153, "rafdb": 15339, "kdef": 4900,
        "ckplus": 1308, "ckplus7": 981, "jaffe": 213, "affectnet": 291651, "affectnet7": 287401,
    }  # fmt: skip
    assert counts["fer2013"]["test"] == (3589, 7178) and 287568 in counts["affectnet"]["train"]


def mirror(root: Path, per_class: int = 2) -> Path:
    """FER2013 in folders, with the names that its splits have there."""
    for number, name in enumerate(("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")):
        for index in range(per_class):
            seed = 1000 * number + 10 * index
            save(root / "train" / name / f"Training_{seed}.png", pattern(seed))
            save(root / "test" / name / f"PublicTest_{seed + 1}.png", pattern(seed + 1))
            save(root / "test" / name / f"PrivateTest_{seed + 2}.png", pattern(seed + 2))
    return root


def test_a_mirror_of_fer2013_has_its_validation_faces(tmp_path: Path) -> None:
    """FER2013 as mirrors lay it out (A.12): its names tell val from test, which lay in one folder."""
    root = mirror(tmp_path / "archive" / "fer2013")
    code, told, found = check(tmp_path)
    assert code == 0 and found["name"] == "fer2013", told
    assert {split: sum(counts.values()) for split, counts in found["per_split"].items()} == {
        "train": 14, "val": 14, "test": 14,
    }  # fmt: skip
    assert "names" in found["layout"]
    train, validation, test = training(f"fer2013:{root}", partial=True)
    assert test is not None
    for part, word in ((train, "Training_"), (validation, "PublicTest_"), (test, "PrivateTest_")):
        assert part.names is not None and all(f"/{word}" in name for name in part.names)


def test_a_mirror_that_was_dealt_anew_stays_as_it_is(tmp_path: Path) -> None:
    """FER2013's names in the wrong folders (sister of A.12): the folders hold, and the difference is told."""
    root = mirror(tmp_path)
    save(root / "train" / "happy" / "PrivateTest_7.png", pattern(77))
    _, told, found = check(root)
    assert "val" not in found["per_split"] and "another official split" in told


def test_ones_own_folders_are_not_taken_for_fer2013(tmp_path: Path) -> None:
    """Folders train and test with those seven names (sister of A.8) are a common layout, not FER2013."""
    for part in ("train", "test"):
        for name in ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"):
            save(tmp_path / part / name / "0.png", np.kron(pattern(len(name)), np.ones((2, 2))))
    assert check(tmp_path)[2]["name"] == "folder"
    assert training(tmp_path, validation="synthfer:val[:7]")[2] is not None


# Pictures that are nearly the same.


def test_a_set_with_twins_is_dealt_so_that_its_own_guard_passes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Look-alikes (C.5): a tenth was held out, then refused. Twins go to one side; other labels are told."""
    faces(tmp_path, CLASSES, 10)
    for number in range(10):
        for turn, name in enumerate(("anger", "disgust")):
            save(tmp_path / name / f"twin{number:02}.png", face(9000 + number), 2, 2 * number + turn)
    with caplog.at_level(logging.WARNING, "edgefer.faces"):
        train, held, _ = training(tmp_path)
    guard(train, held)
    assert len(train) + len(held) == 90 and 4 <= len(held) <= 18
    assert set(train.labels) == set(range(7))
    twins = [{n for name in part.names if "twin" in (n := Path(name).name)} for part in (train, held)]
    assert not twins[0] & twins[1]
    told = next(message for message in caplog.messages if "different labels" in message)
    assert "10 pairs" in told and "twin00.png (anger)" in told and "(disgust)" in told
    _, told, found = check(tmp_path)
    assert {problem["what"]: problem["count"] for problem in found["problems"]} == {
        "pictures alike with different labels": 10
    }


def films(root: Path, count: int, frames: int, step: float) -> Path:
    """``count`` films a class; each moves by ``step`` of itself from frame to frame."""
    for number, name in enumerate(CLASSES):
        for film in range(count):
            first, last = pattern(50 * number + 2 * film), pattern(50 * number + 2 * film + 1)
            for frame in range(frames):
                share = min(1, step * frame)
                save(root / name / f"clip{film}_{frame:04}.png", (1 - share) * first + share * last)
    return root


@pytest.mark.parametrize(("count", "frames", "step"), [(4, 6, 0.01), (1, 40, 0.02), (2, 20, 0.05)])
@pytest.mark.parametrize("seed", [0, 1])
def test_frames_of_one_film_are_on_one_side(
    tmp_path: Path, count: int, frames: int, step: float, seed: int
) -> None:
    """A folder of frames (C.5): it could never be trained on. Films are held out whole, or cut in time."""
    train, held, _ = training(films(tmp_path, count, frames, step), seed=seed)
    guard(train, held)
    assert len(held) >= 3 and set(train.labels) == set(range(7))
    names = [
        {(Path(n).parent.name, Path(n).stem.split("_")[0]) for n in part.names} for part in (train, held)
    ]
    assert count == 1 or not names[0] & names[1]


def test_one_still_a_class_cannot_be_held_out_and_says_so(tmp_path: Path) -> None:
    """Films in which nothing moves (C.5): no part can be held out; the message says what would help."""
    for number, name in enumerate(CLASSES):
        for frame in range(6):
            save(tmp_path / name / f"{frame}.png", pattern(number), 1, frame)
    with pytest.raises(DataError, match="nearly the same") as caught:
        training(tmp_path)
    assert "--validation" in caught.value.action


@pytest.mark.parametrize("seed", range(3))
def test_no_deal_of_edgefers_own_is_refused_by_its_guard(tmp_path: Path, seed: int) -> None:
    """Every split that edgefer makes (C.5): held out, folds, 80/10/10, of a set of copies and mirrors."""
    generator = np.random.default_rng(seed)
    for number in range(60):
        picture = pattern(1000 + number)
        for copy in range(generator.integers(1, 4)):
            turned = picture[:, ::-1] if copy == 2 else picture
            save(tmp_path / CLASSES[number % 7] / f"{number}-{copy}.png", turned, copy, number)
    whole = measured(load(str(tmp_path)))
    guard(*hold_out(whole, 0.1, seed))
    guard(*(whole.take(part, f"part {i}") for i, part in enumerate(eighty_ten_ten(whole, seed))))
    for train, test in image_folds(whole, 5, seed):
        guard(whole.take(train, "train"), whole.take(test, "test"))
    groups = find_lookalikes(whole).group
    assert len(np.unique(groups)) == 60


def test_one_persons_pictures_can_be_trained_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A list that names one person (sister of C.5): it was on both sides, and refused. Told instead."""
    rows = ["path,label,subject"]
    for number in range(40):
        save(tmp_path / f"{number}.png", pattern(number))
        rows.append(f"{number}.png,{CLASSES[number % 4]},anna")
    (tmp_path / "faces.csv").write_text("\n".join(rows))
    with caplog.at_level(logging.WARNING, "edgefer.faces"):
        train, held, _ = training(tmp_path / "faces.csv")
    guard(train, held)
    assert len(held) == 4 and "one person" in caplog.text
    guard(*filter(None, training(tmp_path / "faces.csv", random_split=True)))


def test_pairs_are_told_by_file_and_with_their_labels(tmp_path: Path) -> None:
    """The guard's message (C.5): "first numbers 45 = 10" helped nobody. Files, and differing labels."""
    faces(tmp_path / "train", CLASSES[:3], 4, draw=pattern)
    faces(tmp_path / "val", CLASSES[:3], 4, 5000, draw=pattern)
    save(tmp_path / "val" / "fear" / "copy.png", pattern(0))
    train, validation, _ = training(tmp_path)
    with pytest.raises(DataError, match=r"1 pairs, 1 of them .* 1 with different labels") as caught:
        guard(train, validation)
    assert (
        f"{tmp_path}/train/anger/000.png (anger) = {tmp_path}/val/fear/copy.png (fear)" in caught.value.found
    )


def test_where_all_pictures_are_alike_only_the_nearest_are_one(tmp_path: Path) -> None:
    """One camera's pictures (C.5): all correlate by 0.98, which is no reason to call two of them one."""
    alike = load(str(faces(tmp_path / "a", CLASSES, 6)))
    unlike = load(str(faces(tmp_path / "b", CLASSES, 6, draw=pattern)))
    assert usual_distance(alike) < DISTANCE / 4 and usual_distance(unlike) == DISTANCE
    assert len(np.unique(find_lookalikes(alike).group)) == 42


@pytest.mark.parametrize("strategy", ["class", "random", "folder"])
def test_a_calibration_draw_passes_copies_over(tmp_path: Path, strategy: str) -> None:
    """calibrate make (C.5): it drew copies and refused its own draw. Others are drawn in their place."""
    for number in range(130):
        save(tmp_path / CLASSES[number % 2] / f"{number}.png", pattern(number))
        save(tmp_path / CLASSES[number % 2] / f"{number}-copy.png", pattern(number))
    drawn = draw_set(Draw(str(tmp_path), strategy, 120))
    assert len(drawn) == 120 == len({image.tobytes() for image in drawn.images})
    again = draw_set(Draw(str(tmp_path), strategy, 120))
    assert drawn.fingerprint == again.fingerprint


def test_a_calibration_draw_passes_evaluation_faces_over(tmp_path: Path) -> None:
    """calibrate make of FER2013 (C.5): training faces that stand in its test splits are not drawn."""
    root = mirror(tmp_path / "fer", 20)
    for number, name in enumerate(("angry", "happy", "sad")):
        for index in range(8):
            copy = next((root / "test" / name).glob(f"P*_{1000 * (0, 3, 5)[number] + 10 * index + 1}.png"))
            (root / "train" / name / f"Training_copy{index}.png").write_bytes(copy.read_bytes())
    words = ["calibrate", "make", "--data", f"fer2013:{root}@train", "--count", "140"]
    done = CliRunner().invoke(app, [*words, "-o", str(tmp_path / "c.npz"), "--strategy", "random"])
    assert done.exit_code == 0, done.output


# What lies about in folders.


def test_what_is_no_picture_is_told_and_left_out(tmp_path: Path) -> None:
    """Files that are no pictures (issue 16): the set loads, and tells what it left out."""
    faces(tmp_path, ("happy", "sad"), 2, draw=pattern)
    (tmp_path / "happy" / "labels.txt").write_text("0 0 1 1")
    (tmp_path / "happy" / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (tmp_path / "sad" / "Thumbs.db").write_bytes(b"\xd0\xcf")
    (tmp_path / "__MACOSX" / "happy").mkdir(parents=True)
    (tmp_path / "__MACOSX" / "happy" / "._0.png").write_bytes(b"\0\5\x16\7")
    save(tmp_path / "portrait.png", pattern(5))
    Image.fromarray(pattern(6).astype(np.uint8)).save(tmp_path / "sad" / "odd.ppm")
    code, told, found = check(tmp_path)
    assert code == 0 and found["faces"] == 5, told
    assert {
        problem["what"]: problem["examples"]
        for problem in found["problems"]
        if "empty" not in problem["what"]
    } == {
        "files that are no pictures": [str(tmp_path / "happy" / "labels.txt")],
        "pictures outside the class folders": [str(tmp_path / "portrait.png")],
    }
    assert len(load(str(tmp_path))) == 5


def test_an_empty_class_and_a_folder_of_nothing(tmp_path: Path) -> None:
    """Empty folders (issue 16): exit 3, and which."""
    faces(tmp_path, ("happy", "sad"), 1, draw=pattern)
    (tmp_path / "fear").mkdir()
    code, told, _ = check(tmp_path)
    assert code == 3 and str(tmp_path / "fear") in told
    (tmp_path / "empty").mkdir()
    assert check(tmp_path / "empty")[0] == 3


def test_one_class_and_one_picture_a_class(tmp_path: Path) -> None:
    """Sets too small (issue 16): one class tells nothing apart; of a single picture nothing is held out."""
    faces(tmp_path / "one", ("happy",), 5, draw=pattern)
    with pytest.raises(DataError, match="one class only"):
        training(tmp_path / "one")
    faces(tmp_path / "few", CLASSES, 1, draw=pattern)
    with pytest.raises(DataError, match=r"held"):
        training(tmp_path / "few")
    faces(tmp_path / "few", CLASSES[:2], 12, 20000, draw=pattern)
    train, held, _ = training(tmp_path / "few")
    assert set(train.labels) == set(range(7)) and 0 < len(held) < 6


def test_links_that_lead_back(tmp_path: Path) -> None:
    """A link to a folder around it (issue 16): no class, and no end of files."""
    faces(tmp_path, ("happy", "sad"), 2, draw=pattern)
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "happy" / "loop").symlink_to(tmp_path)
    (tmp_path / "itself").symlink_to(tmp_path / "itself")
    code, told, found = check(tmp_path)
    assert code == 0 and found["per_split"] == {"all": {"happiness": 2, "sadness": 2}}, told


def test_names_that_a_terminal_would_act_on(tmp_path: Path) -> None:
    """Names in any letters (issue 16): loaded, and escapes and bytes of no encoding are made visible."""
    faces(tmp_path, ("笑顔", "無表情"), 2, draw=pattern)
    (tmp_path / "笑顔" / "000.png").rename(tmp_path / "笑顔" / os.fsdecode(b"\x1b[31m\xff.txt"))
    code, told, found = check(tmp_path)
    assert code == 0 and found["own_classes"] == ["無表情", "笑顔"] and "\x1b" not in told


def test_pictures_that_are_plainly_no_crops(tmp_path: Path) -> None:
    """Pictures of anything (issue 16): mostly wide ones are refused in training, with how to crop them."""
    for number in range(6):
        save(tmp_path / "happy" / f"{number}.png", np.tile(pattern(number), (1, 3)))
        save(tmp_path / "sad" / f"{number}.png", np.tile(pattern(100 + number), (1, 2 + number % 3)))
    code, told, _ = check(tmp_path)
    assert code == 3 and "no face crop" in told and "prepare" in told
    with pytest.raises(DataError, match="no face crop"):
        training(tmp_path)


def test_a_list_as_a_spreadsheet_saves_it(tmp_path: Path) -> None:
    """csv with a byte-order mark, semicolons or tabs, and columns in any order (issue 16)."""
    for number in range(4):
        save(tmp_path / f"{number}.png", pattern(number))
    for mark, ending in ((";", "csv"), ("\t", "tsv"), (",", "csv")):
        rows = [mark.join((f"p{n % 2}", ("happy", "Sad")[n % 2], f"{n}.png")) for n in range(4)]
        path = tmp_path / f"list.{ending}"
        path.write_bytes(
            b"\xef\xbb\xbf" + "\r\n".join([mark.join(("Subject", "LABEL", "Path")), *rows]).encode()
        )
        loaded = load(str(path))
        assert loaded.classes == ("happiness", "sadness") and loaded.attributes["subject"].tolist() == [
            "p0", "p1", "p0", "p1",
        ]  # fmt: skip


def test_a_misspelt_label_in_a_list(tmp_path: Path) -> None:
    """The same in a csv file (A.8): the label and its picture are named, and --classes maps it."""
    for number in range(3):
        save(tmp_path / f"{number}.png", pattern(number))
    path = tmp_path / "faces.csv"
    path.write_text("path,label\n0.png,happy\n1.png,sad\n2.png,suprised\n")
    code, told, _ = check(path)
    assert code == 3 and "suprised" in told and "did you mean surprise?" in told and "2.png" in told
    assert load(with_classes(f"csv:{path}", "suprised=surprise")).classes == (
        "happiness",
        "sadness",
        "surprise",
    )


def test_a_large_folder_is_listed_quickly(tmp_path: Path) -> None:
    """Huge folders (issue 16): nothing is opened to list them, and time grows as the files do."""
    for name in ("happy", "sad"):
        (tmp_path / name).mkdir()
        for number in range(5000):
            (tmp_path / name / f"{number}.png").touch()
    start = time.perf_counter()
    assert len(list_faces(find(str(tmp_path))).faces) == 10_000
    assert time.perf_counter() - start < 20


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 40), st.integers(1, 4), st.integers(0, 9))
def test_what_is_held_out_is_never_known(pictures: int, copies: int, seed: int) -> None:
    """Any set of copies (C.5): parts are disjoint, no class is lost to training, and the guard passes."""
    generator = np.random.default_rng(seed)
    repeats = generator.integers(1, copies + 1, pictures)
    images = np.repeat(np.stack([pattern(200 + n) for n in range(pictures)]), repeats, axis=0).astype(
        np.uint8
    )
    labels = np.repeat(generator.integers(0, 3, pictures), repeats)
    whole = FaceSet("made", np.repeat(images[..., None], 3, axis=3), labels, ("a", "b", "c"))
    try:
        kept, held = hold_out(whole, 0.1, seed)
    except DataError:
        assert all(len(set(np.repeat(np.arange(pictures), repeats)[labels == c])) < 2 for c in range(3))
        return
    guard(kept, held)
    assert len(kept) + len(held) <= len(whole) and len(held) and set(kept.labels) == set(whole.labels)
