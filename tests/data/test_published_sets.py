"""Each published set in miniature: what is found in it, under which names, in which splits."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edgefer.data import DATASETS, load
from edgefer.data.faceset import EXPRESSIONS, FaceSet
from edgefer.data.labels import EIGHT, SYNONYMS, own_classes
from edgefer.data.registry import find, list_faces
from edgefer.data.sets import LOADERS
from edgefer.data.sets.ferplus import CANDIDATES, majority, shares
from edgefer_runtime.errors import DataError, UsageError

MINIATURES = (
    "fer2013", "fer2013 folders", "ferplus", "ferplus folders", "rafdb", "kdef", "ckplus", "jaffe",
    "affectnet", "affectnet crops", "csv", "folder",
)  # fmt: skip


def named(faces: FaceSet) -> list[str]:
    return [faces.classes[label] for label in faces.labels]


@pytest.mark.parametrize("name", MINIATURES)
def test_a_path_is_enough_to_recognise_a_set(miniature, name):
    path, expected = miniature(name), name.partition(" ")[0]
    faces = load(str(path))
    assert faces.name == f"{expected}:{path}"
    again = load(f"{expected}:{path}")
    assert again.fingerprint() == faces.fingerprint() and again.classes == faces.classes
    for split in dict.fromkeys(faces.attributes.get("split", ())):
        part = load(f"{expected}:{path}@{split}")
        of_split = np.flatnonzero(faces.attributes["split"] == split)
        assert np.array_equal(part.images, faces.images[of_split])
        assert np.array_equal(part.labels, faces.labels[of_split])
        assert set(part.attributes["split"]) == {split}


def test_every_loader_is_in_the_catalogue():
    listed = {dataset.loader or name for name, dataset in DATASETS.items() if dataset.in_folder}
    assert listed == set(LOADERS)


def test_fer2013(miniature):
    path = miniature("fer2013")
    faces = load(f"fer2013:{path}")
    assert faces.classes == EXPRESSIONS
    assert named(faces) == [
        "anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral", "anger", "disgust",
    ]  # fmt: skip
    assert Counter(faces.attributes["split"].tolist()) == {"train": 7, "val": 1, "test": 1}
    row = (path / "fer2013.csv").read_text().splitlines()[4].split(",")[1]
    pixels = np.array(row.split(), np.uint8).reshape(48, 48)
    assert np.array_equal(faces.images[3], np.repeat(pixels[..., None], 3, axis=2))


def test_fer2013_by_its_csv_file_and_in_the_order_of_the_challenge(miniature):
    path = miniature("fer2013")
    expected = load(f"fer2013:{path}")
    rows = [line.split(",") for line in (path / "fer2013.csv").read_text().splitlines()]
    (path / "fer2013.csv").unlink()
    repacked = path / "icml_face_data.csv"
    repacked.write_text("\n".join([", ".join(("emotion", "Usage", "pixels"))] + [
        f"{emotion},{usage},{pixels}" for emotion, pixels, usage in rows[1:]
    ]))  # fmt: skip
    assert load(str(repacked)).fingerprint() == expected.fingerprint()


def test_fer2013_in_folders_has_the_two_last_splits_as_one(miniature):
    faces = load(f"fer2013:{miniature('fer2013 folders')}@test")
    assert faces.classes == EXPRESSIONS and sorted(named(faces)) == sorted(EXPRESSIONS)
    with pytest.raises(UsageError, match="no split 'val'"):
        load(faces.name.replace("@test", "@val"))


@pytest.mark.parametrize("form", ["ferplus", "ferplus folders"])
def test_ferplus_takes_the_majority_and_keeps_the_votes(miniature, form):
    faces = load(f"ferplus:{miniature(form)}")
    assert faces.classes == EIGHT
    assert named(faces) == ["neutral", "contempt", "anger", "happiness", "surprise"]
    assert faces.attributes["split"].tolist() == ["train", "train", "train", "val", "test"]
    assert faces.votes is not None and faces.votes.dtype == np.float32
    expected = [{"neutral": 1}, {"contempt": 1}, {"anger": 4 / 7, "disgust": 3 / 7}]
    for row, votes in zip(faces.votes, expected, strict=False):
        assert row.tolist() == pytest.approx([votes.get(name, 0) for name in EIGHT])
    assert faces.take(np.array([2, 0])).votes.tolist() == faces.votes[[2, 0]].tolist()


def test_ferplus_without_label_files_reads_the_votes_beside_the_folders(miniature):
    path = miniature("ferplus folders")
    expected = load(f"ferplus:{path}")
    for table in (path / "data").glob("*/label.csv"):
        table.unlink()
    header = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
    lines = [header, "Training,fer0000001.png,6,0,1,1,0,0,0,0,1,1", "Training,,0,0,0,0,0,0,0,0,0,10",
             "PublicTest,fer0028638.png,0,10,0,0,0,0,0,0,0,0"]  # fmt: skip
    (path / "fer2013new.csv").write_text("\n".join(lines))
    faces = load(f"ferplus:{path}")
    assert named(faces) == ["neutral", "happiness"]
    assert np.array_equal(faces.images, expected.images[[0, 3]])


def test_ferplus_leaves_out_rows_without_a_name_whatever_their_votes(miniature):
    path = miniature("ferplus")
    expected = load(f"ferplus:{path}").fingerprint()
    votes = path / "fer2013new.csv"
    votes.write_text(
        votes.read_text().replace("Training,,0,0,0,0,0,0,0,0,0,10", "Training,,9,0,0,0,0,0,0,0,0,0")
    )
    assert load(f"ferplus:{path}").fingerprint() == expected


@settings(deadline=None)
@given(st.lists(st.integers(0, 10), min_size=10, max_size=10))
def test_a_majority_has_more_than_half_of_the_votes_that_count(counts):
    winner, strong = majority(tuple(counts)), [count * (count > 1) for count in counts]
    leaders = [name for name, count in zip(CANDIDATES, strong, strict=True) if 2 * count > sum(strong)]
    assert [winner] == (leaders or [""])
    if winner in EIGHT:
        votes = shares(tuple(counts))
        assert sum(votes) == pytest.approx(1) and EIGHT[int(np.argmax(votes))] == winner


def test_votes_among_eight_are_no_votes_among_seven(miniature):
    seven = list_faces(find(f"ferplus:{miniature('ferplus')}")).only(EXPRESSIONS)
    assert seven.classes == EXPRESSIONS and {face.votes for face in seven.faces} == {None}
    assert seven.left_out["contempt"] == 1 and len(seven.faces) == 4


def test_rafdb_counts_its_labels_from_surprise(miniature):
    faces = load(f"rafdb:{miniature('rafdb')}")
    assert faces.classes == EXPRESSIONS and faces.images.shape == (10, 100, 100, 3)
    assert named(faces)[:7] == ["surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"]
    assert faces.attributes["split"].tolist() == ["train"] * 7 + ["test"] * 3


def test_rafdb_by_its_inner_folder(miniature):
    path = miniature("rafdb")
    assert load(f"rafdb:{path / 'basic'}").fingerprint() == load(f"rafdb:{path}").fingerprint()


def test_kdef_reads_everything_from_names(miniature):
    faces = load(f"kdef:{miniature('kdef')}")
    assert len(faces) == 28 and faces.classes == EXPRESSIONS
    first = {name: values[0] for name, values in faces.attributes.items()}
    assert first == {"subject": "F01", "yaw": -90, "session": "A"}
    assert set(faces.attributes["subject"]) == {"F01", "M01"} and set(faces.attributes["session"]) == {
        "A",
        "B",
    }
    yaw_of = dict(zip(named(faces), faces.attributes["yaw"].tolist(), strict=True))
    assert yaw_of == {
        "fear": -90, "anger": -45, "disgust": 0, "happiness": 45, "neutral": 90, "sadness": 0, "surprise": 0,
    }  # fmt: skip


def test_ckplus_takes_the_last_three_frames_and_the_first(miniature):
    path = miniature("ckplus")
    faces = load(f"ckplus:{path}")
    assert faces.classes == EIGHT
    assert named(faces) == ["neutral", *["disgust"] * 3, "neutral", *["contempt"] * 3]
    assert faces.attributes["subject"].tolist() == ["S005"] * 4 + ["S010"] * 4
    sequence = path / "cohn-kanade-images" / "S005" / "001"
    for index, frame in enumerate((1, 3, 4, 5)):
        with Image.open(sequence / f"S005_001_{frame:08d}.png") as image:
            assert np.array_equal(faces.images[index, :, :, 0], np.asarray(image))


def test_ckplus7_is_without_neutral(miniature):
    faces = load(f"ckplus7:{miniature('ckplus')}")
    assert named(faces) == ["disgust"] * 3 + ["contempt"] * 3
    assert set(faces.classes) == set(EIGHT) - {"neutral"}


def test_jaffe_reads_person_and_expression_from_names(miniature):
    faces = load(f"jaffe:{miniature('jaffe')}")
    assert named(faces)[:7] == ["anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"]
    assert faces.attributes["subject"].tolist() == ["KA"] * 7 + ["YM"] * 7


def test_affectnet_cuts_faces_out_and_leaves_out_what_is_none(miniature):
    path = miniature("affectnet")
    faces = load(f"affectnet:{path}")
    assert faces.classes == EIGHT and faces.images.shape == (11, 20, 20, 3)
    assert named(faces)[:8] == [
        "neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt",
    ]  # fmt: skip
    assert faces.attributes["split"].tolist() == ["train"] * 9 + ["val"] * 2
    first = next((path / "Manually_Annotated_Images" / "100").iterdir())
    with Image.open(first) as image:
        assert np.array_equal(faces.images[0], np.asarray(image)[6:26, 5:25])


@pytest.mark.parametrize("kind", [np.str_, np.int64])
def test_affectnet_crops_have_their_code_in_a_numpy_file(miniature, kind):
    path = miniature("affectnet crops")
    np.save(path / "val_set" / "annotations" / "1_exp.npy", kind(7))
    faces = load(f"affectnet:{path}@val")
    assert named(faces) == ["neutral", "contempt"] and faces.images.shape == (2, 22, 22, 3)


def test_affectnet7_is_without_contempt(miniature):
    faces = load(f"affectnet7:{miniature('affectnet crops')}")
    assert faces.classes == EXPRESSIONS and "contempt" not in named(faces) and len(faces) == 9


def test_a_csv_file_maps_its_words_to_the_classes(miniature):
    faces = load(f"csv:{miniature('csv')}")
    assert faces.classes == ("happiness", "sadness") and named(faces) == ["happiness", "sadness", "happiness"]
    assert faces.attributes["yaw"].tolist() == [-45, 0, 45]
    assert faces.attributes["subject"].tolist() == ["person0", "person1", "person2"]


def test_a_csv_file_as_a_spreadsheet_saves_it(miniature):
    path = miniature("csv")
    expected = load(f"csv:{path}")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n\r\n")
    assert load(f"csv:{path}").fingerprint() == expected.fingerprint()


def test_a_folder_of_splits(miniature):
    root = miniature("fer2013 folders")
    (root / "test").rename(root / "Validation")
    faces = load(f"folder:{root}@val")
    assert faces.classes == EXPRESSIONS and set(faces.attributes["split"]) == {"val"}


def test_words_that_all_mean_expressions_become_the_classes_they_mean():
    assert list(own_classes({"Surprised", "sad", "anger"}).values()) == ["anger", "sadness", "surprise"]
    assert own_classes({"sad", "bored"}) == {"sad": "sadness", "bored": "bored"}
    assert set(SYNONYMS.values()) == set(EIGHT)


@pytest.mark.parametrize("name", ["rafdb", "csv", "kdef"])
def test_a_set_without_a_path_is_refused(name):
    with pytest.raises(UsageError, match="without a path"):
        load(name)


def test_an_at_sign_may_be_part_of_a_path(miniature, tmp_path):
    path = miniature("folder")
    path.rename(tmp_path / "me@home")
    assert load(f"folder:{tmp_path / 'me@home'}").name == f"folder:{tmp_path / 'me@home'}"


def test_a_path_to_nothing_and_a_folder_of_nothing(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        load(str(tmp_path / "nothing"))
    with pytest.raises(DataError, match="looks like no face set"):
        load(str(tmp_path))


def test_what_a_set_is_like_is_known_without_reading_it(miniature):
    path = miniature("rafdb")
    check = (
        "import sys; from edgefer.data import DATASETS; from edgefer.data.registry import find;"
        f"print(find('rafdb:{path}@test')[1:], *{{'numpy', 'PIL', 'torch'}} & set(sys.modules))"
    )
    told = subprocess.check_output([sys.executable, "-c", check], text=True).strip()
    assert told == str((Path(path), "test")) and find("synthfer:test") is None
