"""Damaged sets: each damage is refused in words, with where it is; nothing outside the folder is read."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgefer.data import load
from edgefer.data.tables import LONGEST_LINE, beside, records, rows
from edgefer_runtime.errors import DataError


class Unpickled:
    """Tells when it is unpickled, which must never happen."""

    def __reduce__(self):
        return pytest.fail, ("a pickle was opened",)


def edit(path: Path, old: str, new: str, count: int = 1) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, count))


LIST = "basic/EmoLabel/list_patition_label.txt"
TRAINING = "Manually_Annotated_file_lists/training.csv"
FIRST = "basic/Image/aligned/train_00001_aligned.jpg"
DAMAGES = {
    "a missing column": ("fer2013", lambda p: edit(p / "fer2013.csv", "pixels", "image"), "no column pixels"),
    "another separator": (
        "fer2013",
        lambda p: (p / "fer2013.csv").write_text((p / "fer2013.csv").read_text().replace(",", ";")),
        "no column emotion, pixels, Usage",
    ),
    "an empty table": ("fer2013", lambda p: (p / "fer2013.csv").write_text("\n"), "is empty"),
    "a table in UTF-16": (
        "fer2013",
        lambda p: (p / "fer2013.csv").write_text((p / "fer2013.csv").read_text(), encoding="utf-16"),
        "cannot be read as text",
    ),
    "a huge pixel string": (
        "fer2013",
        lambda p: edit(p / "fer2013.csv", "\n0,", "\n0," + "0 " * LONGEST_LINE),
        "line 2: more than 65,536 characters",
    ),
    "a pixel too many": ("fer2013", lambda p: edit(p / "fer2013.csv", "\n2,", "\n2,0 "), "line 4"),
    "a pixel of 256": (
        "fer2013",
        lambda p: (p / "fer2013.csv").write_text(
            re.sub(r"(\n[01]),\d+ ", r"\1,256 ", (p / "fer2013.csv").read_text())
        ),
        "4 rows without 48 x 48 pixels in 0..255, e.g. fer2013.csv, line 2; fer2013.csv, line 3",
    ),
    "an emotion of 7": ("fer2013", lambda p: edit(p / "fer2013.csv", "\n6,", "\n7,"), "0..6, .*line 8"),
    "an emotion of five thousand digits": (
        "fer2013",
        lambda p: edit(p / "fer2013.csv", "\n6,", "\n" + "6" * 5000 + ","),
        "0..6, e.g. .*line 8",
    ),
    "an unknown usage": ("fer2013", lambda p: edit(p / "fer2013.csv", "PublicTest", "Secret"), "line 9: Sec"),
    "a row cut off": ("fer2013", lambda p: edit(p / "fer2013.csv", ",PrivateTest", ""), "line 10: 2 fields"),
    "votes for another file": (
        "ferplus",
        lambda p: edit(p / "fer2013new.csv", "PublicTest,fer0028638.png,0,10,0,0,0,0,0,0,0,0\n", ""),
        "has 8 rows and .* 9",
    ),
    "votes in another order": (
        "ferplus",
        lambda p: edit(p / "fer2013new.csv", "PublicTest", "PrivateTest"),
        "1 rows with two usages",
    ),
    "a vote that is no number": (
        "ferplus",
        lambda p: edit(p / "fer2013new.csv", "png,5,", "png,five,"),
        "ten counts of votes, e.g. fer2013new.csv, line 3",
    ),
    "votes without pictures": ("ferplus", lambda p: (p / "fer2013.csv").unlink(), "is not FERPlus with pic"),
    "a picture that is missing": (
        "ferplus folders",
        lambda p: (p / "data/FER2013Valid/fer0028638.png").rename(p / "data/FER2013Valid/other.png"),
        "1 listed files that are missing, e.g. .*fer0028638",
    ),
    "a label out of range": ("rafdb", lambda p: edit(p / LIST, "00001.jpg 1", "00001.jpg 8"), "line 1: .* 8"),
    "a list with commas": ("rafdb", lambda p: edit(p / LIST, "jpg ", "jpg,", 9), "9 lines other than a name"),
    "a label twice": (
        "rafdb",
        lambda p: edit(p / LIST, "train_00002.jpg 2", "train_00001.jpg 2"),
        "pictures listed with two labels, e.g. .*surprise and fear",
    ),
    "a way out": (
        "rafdb",
        lambda p: edit(p / LIST, "train_00001", "train_/../../../../../../etc/passwd"),
        "lead out of the folder, e.g. train_/../",
    ),
    "a truncated picture": (
        "rafdb",
        lambda p: (p / FIRST).write_bytes((p / FIRST).read_bytes()[:900]),
        "train_00001_aligned.jpg: cannot be read",
    ),
    "no pictures": ("rafdb", lambda p: (p / "basic/Image").rename(p / "elsewhere"), "no aligned pictures"),
    "no labels": ("ckplus", lambda p: (p / "Emotion").rename(p / "elsewhere"), "has no labels"),
    "a sequence that is missing": (
        "ckplus",
        lambda p: (p / "cohn-kanade-images/S005").rename(p / "cohn-kanade-images/.hidden"),
        "labels whose sequence is missing",
    ),
    "a code out of range": (
        "affectnet",
        lambda p: edit(p / TRAINING, ",0,0.1", ",11,0.1"),
        "0..10, e.g. training.csv, line 2",
    ),
    "a face without a box": (
        "affectnet",
        lambda p: edit(p / TRAINING, ",5,6,", ",NULL,6,"),
        "without a face's box",
    ),
    "a box outside its picture": (
        "affectnet",
        lambda p: edit(p / TRAINING, ",5,6,20,20", ",40,6,20,20"),
        "the face's box .* is not in its 40 x 30 pixels",
    ),
    "a picture outside": (
        "affectnet",
        lambda p: edit(p / TRAINING, "\n100/", "\n/etc/"),
        "lead out of the folder, e.g. /etc/",
    ),
    "a pickle for a code": (
        "affectnet crops",
        lambda p: (p / "train_set/annotations/3_exp.npy").write_bytes(pickle.dumps(Unpickled())),
        "labels out of 0..10, e.g. .*3_exp.npy",
    ),
    "objects for a code": (
        "affectnet crops",
        lambda p: np.save(p / "train_set/annotations/3_exp.npy", np.array([Unpickled()], object)),
        "labels out of 0..10, e.g. .*3_exp.npy",
    ),
    "an annotation alone": (
        "affectnet crops",
        lambda p: (p / "val_set/images/1.jpg").unlink(),
        "annotations without a picture, e.g. .*1_exp.npy",
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_told_with_its_place(miniature, damage):
    name, harm, told = DAMAGES[damage]
    path = miniature(name)
    harm(path)
    with pytest.raises(DataError, match=f"(?s){told}") as caught:
        load(f"{name.partition(' ')[0]}:{path}")
    assert caught.value.expected and caught.value.action


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("anna/0.png", "../../../etc/passwd", "lead out of the folder, e.g. ../../../etc/passwd"),
        ("anna/0.png", "/etc/passwd", "lead out of the folder, e.g. /etc/passwd"),
        ("anna/0.png", r"..\\secret.png", "lead out of the folder"),
        ("anna/0.png", "anna/9.png", "files that are missing, e.g. .*9.png"),
        ("anna/0.png", "anna", "files that are missing, e.g. .*anna"),
        ("anna/1.png,Sad", "anna/0.png,Sad", "with two labels"),
        ("-45.0", "sideways", "no number of degrees, e.g. line 2 .*sideways"),
        ("-45.0", "inf", "no number of degrees"),
        (",Sad", ",", "lines without a label, e.g. line 3"),
        (",label", ",expression", "no column label"),
        (",test", ",", "pictures without a split, e.g. .*2.png"),
        ('anna/1', '"anna/1', "line 3: unexpected end of data"),
    ],
)  # fmt: skip
def test_a_csv_file_with_a_mistake(miniature, old, new, told):
    path = miniature("csv")
    edit(path, "-45", "-45.0")
    edit(path, old, new)
    with pytest.raises(DataError, match=told):
        load(f"csv:{path}")


@pytest.mark.parametrize("label", ["angry", "0", "8", "3.5", "nan"])
def test_a_label_of_ckplus_that_is_none(miniature, label):
    path = miniature("ckplus")
    (path / "Emotion/S005/001/S005_001_00000005_emotion.txt").write_text(label)
    with pytest.raises(DataError, match=f"labels out of 1..7, e.g. .*S005_001_00000005_emotion.txt: {label}"):
        load(f"ckplus:{path}")


def test_a_box_of_a_billion_pixels_ends_where_its_picture_ends(miniature):
    path = miniature("affectnet")
    edit(path / TRAINING, ",5,6,20,20", ",10,12,999999999,999999999")
    faces = load(f"affectnet:{path}")
    edit(path / TRAINING, ",10,12,999999999,999999999", ",10,12,30,18")
    assert load(f"affectnet:{path}").fingerprint() == faces.fingerprint()


def test_a_line_twice_counts_once(miniature):
    path = miniature("csv")
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[1], lines[2]]))
    assert len(load(f"csv:{path}")) == 3


def test_a_split_that_is_empty(miniature):
    path = miniature("ferplus")
    edit(path / "fer2013new.csv", "0,10,0,0,0,0,0,0,0,0", "5,5,0,0,0,0,0,0,0,0")
    with pytest.raises(DataError, match="holds no faces"):
        load(f"ferplus:{path}@val")


@settings(deadline=None)
@given(st.text())
def test_no_listed_name_leads_out(name):
    path = beside(Path("/pictures"), name)
    assert path is None or Path("/pictures") in Path(str(path)).resolve().parents


@settings(deadline=None)
@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["C", "Z"])), min_size=2, max_size=2)))
def test_a_table_is_read_as_it_was_written(tmp_path_factory, cells):
    import csv

    path = tmp_path_factory.mktemp("table") / "table.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([["A", "b"], *cells])
    assert [fields for _, fields in records(path)] == [["A", "b"], *cells]
    assert [row for _, row in rows(path, ("a",))] == [dict(zip("ab", row, strict=True)) for row in cells]
