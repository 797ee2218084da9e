"""Pose and occlusion lists: joined by the part of a name that list and set share."""

from __future__ import annotations

import pytest

from edgefer.data import load
from edgefer.data.check import check
from edgefer.data.registry import find


def test_rafdb(miniature):
    path = miniature("rafdb")
    (path / "rafdb_occlusion_list.txt").write_text("test_0001_aligned 3 4\ntest_0001_aligned 3 4\n")
    (path / "val_raf_db_list.txt").write_text("1/test_0002_aligned.jpg\n2/test_0003_aligned.jpg\n")
    (path / "val_raf_db_list_45.txt").write_text("2/test_0003_aligned.jpg\n")
    faces = load(f"rafdb:{path}@test")
    assert faces.attributes["occlusion"].tolist() == ["occluded", "none", "none"]
    assert faces.attributes["pose"].tolist() == ["all", ">30", ">45"]
    train = load(f"rafdb:{path}@train")
    assert set(train.attributes["pose"]) == set(train.attributes["occlusion"]) == {"unlisted"}


@pytest.mark.parametrize("form", ["ferplus", "ferplus folders"])
def test_ferplus_lists_in_a_folder_of_their_own(miniature, form):
    path = miniature(form)
    (path / "lists").mkdir()
    (path / "lists" / "jianfei_occlusion_list.txt").write_text("2_fer0032220.png 8 2\n")
    (path / "lists" / "pose_30_ferplus_list.txt").write_text("1/fer0028638.jpg\n2/fer0032220.jpg\n")
    faces = load(f"ferplus:{path}")
    assert faces.attributes["occlusion"].tolist() == ["unlisted"] * 4 + ["occluded"]
    assert faces.attributes["pose"].tolist() == ["unlisted"] * 3 + [">30", ">30"]


def test_fer2013_has_the_names_of_ferplus_where_they_lie_beside_it(miniature):
    path = miniature("ferplus")
    (path / "pose_45_ferplus_list.txt").write_text("2/fer0032220.jpg\n")
    faces = load(f"fer2013:{path}@test")
    assert faces.attributes["pose"].tolist() == [">45"]


def test_affectnet_by_the_hash_in_its_names(miniature):
    path = miniature("affectnet")
    (path / "occlusion_affectnet_list.txt").write_text(f"val/2/{10:056x}/\n")
    (path / "pose_30_affectnet_list.txt").write_text(f"3/{11:056x}/8.jpg\n")
    faces = load(f"affectnet:{path}@val")
    assert faces.attributes["occlusion"].tolist() == ["occluded", "none"]
    assert faces.attributes["pose"].tolist() == ["all", ">30"]


def test_without_lists_there_is_neither(miniature):
    assert set(load(f"rafdb:{miniature('rafdb')}").attributes) == {"split"}


def test_listed_faces_that_are_not_there_and_lines_without_a_name_are_noted(miniature):
    path = miniature("rafdb")
    (path / "rafdb_occlusion_list.txt").write_text("test_0001_aligned 3 4\ntest_3067_aligned 3 4\nhello\n")
    problems = {problem.what: problem for problem in check(find(f"rafdb:{path}")).problems}
    missing = problems["faces in pose and occlusion lists that are not in the set"]
    assert missing.examples == ["test_3067"] and not missing.refused
    assert problems["lines without a picture's name"].count == 1
