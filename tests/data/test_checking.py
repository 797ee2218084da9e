"""`edgefer datasets check`: what a folder holds, and everything that is wrong with it at once."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from edgefer.cli.main import app
from edgefer.data import load
from edgefer.data.check import check
from edgefer.data.registry import find
from edgefer_runtime.errors import UsageError


def checked(name):
    return check(find(str(name)))


def noted(findings):
    return {problem.what: problem.count for problem in findings.problems if "nearly" not in problem.what}


@pytest.mark.parametrize(
    ("name", "left_out"),
    [
        ("fer2013", {}),
        ("ferplus", {"no majority": 2, "unknown": 1, "no face": 1}),
        ("ferplus folders", {"no majority": 2, "unknown": 1}),
        ("rafdb", {}),
        ("kdef", {"averaged face": 1}),
        ("ckplus", {"sequence without a label": 1}),
        ("jaffe", {}),
        ("affectnet", {"no face": 1}),
        ("affectnet crops", {}),
        ("csv", {}),
        ("folder", {}),
    ],
)
def test_a_sound_set(miniature, name, left_out):
    path = miniature(name)
    findings = checked(path)
    assert findings.name == name.partition(" ")[0] and findings.layout
    assert not findings.refused and noted(findings) == {} and findings.left_out == left_out
    faces = load(str(path))
    assert findings.faces == len(faces) == sum(findings.sizes.values())
    counted = {label: sum(counts[label] for counts in findings.per_split.values()) for label in faces.classes}
    assert counted == {label: int((faces.labels == i).sum()) for i, label in enumerate(faces.classes)}
    assert list(findings.attributes) == list(faces.attributes)


def test_counts_sizes_and_people(miniature):
    findings = checked(miniature("kdef"))
    assert findings.subjects == 2 and findings.sizes == {"56 x 76": 28}
    assert findings.per_split == {"all": dict.fromkeys(findings.per_split["all"], 4)}
    nearly_empty = findings.problems[-1]
    assert (nearly_empty.what, nearly_empty.count) == ("classes nearly empty", 7)
    assert nearly_empty.examples[0] == "anger in all: 4" and len(nearly_empty.examples) == 3


def test_everything_that_is_wrong_is_told_at_once(miniature):
    path = miniature("rafdb")
    aligned, table = path / "basic/Image/aligned", path / "basic/EmoLabel/list_patition_label.txt"
    (aligned / "train_00001_aligned.jpg").unlink()
    (aligned / "test_0001_aligned.jpg").write_bytes(b"no picture")
    (aligned / "test_0002_aligned.jpg").write_bytes((aligned / "test_0003_aligned.jpg").read_bytes())
    Image.new("RGB", (100, 100)).save(aligned / "train_00099_aligned.jpg")
    table.write_text(table.read_text().replace("00004.jpg 4", "00004.jpg 0") + "train_00005.jpg 5\n")
    findings = checked(path)
    assert findings.refused
    assert noted(findings) == {
        "listed files that are missing": 1,
        "labels out of 1..7": 1,
        "pictures listed twice": 1,
        "files in no list": 1,
        "pictures that cannot be read": 1,
        "equal pictures with different labels": 1,
    }
    for problem in findings.problems:
        assert problem.examples and (problem.action or not problem.refused)


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("rafdb", "basic/Image/aligned"),
        ("ferplus folders", "data/FER2013Valid"),
        ("affectnet crops", "val_set/images"),
    ],
)
def test_files_in_no_list(miniature, name, folder):
    path = miniature(name)
    Image.new("RGB", (9, 9)).save(path / folder / "extra.jpg")
    (path / folder / ".hidden.jpg").write_text("no picture")
    (path / folder / "Thumbs.db").write_text("no picture")
    findings = checked(path)
    assert noted(findings) == {"files in no list": 1} and not findings.refused
    assert findings.problems[0].examples == [str(path / folder / "extra.jpg")]


def test_what_is_in_two_splits(miniature):
    path = miniature("csv")
    root = path.parent / "anna"
    with Image.open(root / "0.png") as image:
        image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(root / "3.png")
    shutil.copy(root / "1.png", root / "4.png")
    path.write_text(path.read_text() + "anna/3.png,happy,person0,0,none,studio,test\n"
                    "anna/4.png,sad,person9,0,none,studio,test\n")  # fmt: skip
    findings = checked(path)
    assert not findings.refused
    assert noted(findings) == {
        "equal pictures in two splits": 1,
        "subjects in two splits": 1,
        "pictures alike in two splits": 1,
    }
    examples = {problem.what: problem.examples for problem in findings.problems}
    assert examples["subjects in two splits"] == ["person0 (test, train)"]
    assert examples["pictures alike in two splits"][0].endswith("in a mirror")
    assert "4.png" in examples["equal pictures in two splits"][0]


def test_one_split_alone(miniature):
    findings = check(find(f"rafdb:{miniature('rafdb')}@test"))
    assert findings.faces == 3 and list(findings.per_split) == ["test"]


def run(*words):
    return CliRunner().invoke(app, ["datasets", *words])


def test_synthfer_is_rendered_and_not_checked():
    done = run("check", "synthfer:test")
    assert done.exit_code == UsageError.exit_code and "in no folder" in done.stderr


def test_on_the_command_line(miniature):
    path = miniature("rafdb")
    done = run("check", str(path))
    assert done.exit_code == 0, done.stderr
    for text in ("rafdb", "aligned pictures", "surprise", "100 x 100", "it can be loaded"):
        assert text in done.stdout
    (path / "basic/Image/aligned/test_0001_aligned.jpg").unlink()
    done = run("check", str(path), "--json")
    found = json.loads(done.stdout)
    assert done.exit_code == 3 and found["refused"] and found["per_split"]["test"]["surprise"] == 0
    assert found["problems"][0]["what"] == "listed files that are missing"
    done = run("check", str(path.parent / "nothing"))
    assert done.exit_code == 3 and "does not exist" in done.stderr


def test_the_list_names_every_set():
    listed = json.loads(run("--json").stdout)
    assert {"synthfer", "rafdb", "affectnet7", "csv"} <= {entry["name"] for entry in listed}
    shown = run().stdout
    assert "rafdb:PATH@test" in shown and "synthfer:val" in shown


def test_what_is_noted_does_not_keep_a_set_from_being_loaded(miniature):
    path = miniature("kdef")
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(path / "portrait.png")
    assert noted(checked(path)) == {"names that are no KDEF code": 1}
    assert len(load(str(path))) == 28
