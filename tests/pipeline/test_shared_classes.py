"""Evaluation across databases: which faces remain, and that their labels still mean what they did."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefer.data.faceset import FaceSet
from edgefer.pipeline.shared_classes import comparable_faces
from edgefer_bench.scoring import in_classes_of
from edgefer_runtime.errors import DataError

WORDS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral", "contempt")
PATH = Path("best.json")


def face_set(classes: tuple[str, ...], count: int = 24) -> FaceSet:
    """Faces whose every pixel is their own number, so that each can be recognised."""
    numbers = np.arange(count)
    return FaceSet(
        name="drawn",
        images=np.broadcast_to(numbers[:, None, None, None], (count, 2, 2, 3)).astype(np.uint8),
        labels=numbers % len(classes),
        classes=classes,
        attributes={"subject": numbers // 4},
        votes=np.eye(len(classes), dtype=np.float32)[numbers % len(classes)],
    )


@given(st.permutations(WORDS), st.integers(2, 8), st.permutations(WORDS), st.integers(2, 8))
def test_every_face_of_a_shared_class_remains_with_its_label(of_set, k, of_network, m):
    faces, known = face_set(tuple(of_set[:k])), tuple(of_network[:m])
    shared = {*faces.classes} & {*known}
    if len(shared) < 2:
        with pytest.raises(DataError, match="at least two"):
            comparable_faces(faces, known, PATH, shared_only=True)
        return
    found = comparable_faces(faces, known, PATH, shared_only=True)
    assert {*found.classes} == shared
    expected = [
        (i, faces.classes[label]) for i, label in enumerate(faces.labels) if faces.classes[label] in shared
    ]
    assert [
        (int(image[0, 0, 0]), found.classes[label])
        for image, label in zip(found.images, found.labels, strict=True)
    ] == expected
    assert [int(subject) for subject in found.attributes["subject"]] == [i // 4 for i, _ in expected]


def test_the_same_classes_in_another_order_need_no_permission():
    faces = face_set(WORDS[:3])
    assert comparable_faces(faces, WORDS[:3][::-1], PATH, shared_only=False) is faces
    with pytest.raises(DataError, match="--shared-classes"):
        comparable_faces(faces, WORDS[:4], PATH, shared_only=False)


@given(st.permutations(WORDS), st.integers(2, 8))
def test_the_answer_is_the_most_probable_of_the_classes_wanted(order, k):
    probabilities = np.random.default_rng(k).dirichlet(np.ones(8), 20).astype(np.float32)
    wanted = order[:k]
    found = in_classes_of(probabilities, WORDS, wanted)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
    columns = [WORDS.index(name) for name in wanted]
    np.testing.assert_array_equal(found.argmax(axis=1), probabilities[:, columns].argmax(axis=1))
    np.testing.assert_allclose(
        found[:, 0] * probabilities[:, columns].sum(1), probabilities[:, columns[0]], rtol=1e-5
    )


def test_a_face_that_is_none_of_the_classes_wanted_is_no_division_by_zero():
    certain = np.float32([[1, 0, 0]])
    assert (in_classes_of(certain, WORDS[:3], WORDS[1:3]) == 0).all()
