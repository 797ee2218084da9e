"""Splits: disjoint, balanced whole and in any prefix, and what the registry says of them."""

from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefer.data import DATASETS
from edgefer.data.faceset import EXPRESSIONS
from edgefer.data.synthetic.camera import YAWS
from edgefer.data.synthetic.occluders import OCCLUSIONS
from edgefer.data.synthetic.splits import OCCLUSION_ROUND, SPLITS, shots


def pictures(split: str):
    return [shot for number in SPLITS[split].identities for shot in shots(number, SPLITS[split].shots_each)]


def test_no_person_is_in_two_splits():
    for first, second in combinations(SPLITS, 2):
        shared = set(SPLITS[first].identities) & set(SPLITS[second].identities)
        assert not shared or {first, second} == {"train", "train-large"}
    assert set(SPLITS["train"].identities) < set(SPLITS["train-large"].identities)


def test_the_registry_tells_the_sizes():
    assert DATASETS["synthfer"].splits == {name: split.images for name, split in SPLITS.items()}
    assert {name: len(split.identities) for name, split in SPLITS.items()} == {
        "train": 56, "train-large": 300, "val": 14, "test": 14, "eval": 100,
    }  # fmt: skip
    assert SPLITS["eval"].images == 3500


@pytest.mark.parametrize("split", SPLITS)
def test_every_expression_is_seen_equally_often_from_every_side_in_every_session(split):
    cells = Counter((shot.expression, shot.yaw, shot.session) for shot in pictures(split))
    assert len(cells) == len(EXPRESSIONS) * len(YAWS) * 2
    assert len(set(cells.values())) == 1


@given(st.sampled_from(sorted(SPLITS)), st.integers(1, 400))
def test_any_first_pictures_are_balanced(split, count):
    taken = pictures(split)[:count]
    for field, kinds in (("expression", 7), ("yaw", 5)):
        counts = Counter(getattr(shot, field) for shot in taken)
        assert max(counts.values()) - min(counts[kind] for kind in range(kinds)) <= 1
    wild = sum(shot.session for shot in taken)
    assert abs(count - 2 * wild) <= 7


@pytest.mark.parametrize("split", ["train-large", "eval"])
def test_two_in_five_wild_faces_are_covered_each_way_alike_in_every_expression(split):
    wild = [shot for shot in pictures(split) if shot.session]
    each = len(wild) // len(EXPRESSIONS) // 10
    for expression in range(len(EXPRESSIONS)):
        seen = Counter(shot.occlusion for shot in wild if shot.expression == expression)
        assert seen == {"none": 6 * each, **dict.fromkeys(OCCLUSIONS[1:], each)}
    assert all(shot.occlusion == "none" for shot in pictures(split) if not shot.session)


def test_the_round_knows_every_occlusion():
    assert set(OCCLUSION_ROUND) == set(OCCLUSIONS)


def test_one_performance_wears_one_thing_in_all_five_views():
    for number in SPLITS["val"].identities:
        worn = {}
        for shot in shots(number, 70):
            assert worn.setdefault((shot.expression, shot.session), shot.occlusion) == shot.occlusion


def test_nobody_is_always_or_never_covered():
    for number in SPLITS["train-large"].identities:
        worn = {shot.expression: shot.occlusion for shot in shots(number, 70) if shot.session}
        assert 2 <= sum(kind != "none" for kind in worn.values()) <= 4
