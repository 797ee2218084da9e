"""Pictures and people on both sides of a training are found, and different people are not called one."""

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edgefer.data import load
from edgefer.data.faceset import FaceSet, mirror
from edgefer.data.leakage import (
    THRESHOLD,
    find_duplicates,
    guard,
    shared_subjects,
    unit,
    without_duplicates,
)
from edgefer.data.mapped import MappedImages
from edgefer_runtime.errors import DataError


@pytest.fixture(scope="module")
def faces() -> FaceSet:
    return load("synthfer:val[:70]")


@pytest.fixture(scope="module")
def others() -> FaceSet:
    return load("synthfer:test[:140]")


def altered(faces: FaceSet, alter, name: str = "altered") -> FaceSet:
    images = np.stack([np.asarray(alter(Image.fromarray(image))) for image in faces.images])
    return FaceSet(name, images, faces.labels, faces.classes)


def jpeg(quality):
    def encode(image):
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        return Image.open(file)

    return encode


def scaled(factor, shift):
    return lambda image: np.clip(np.asarray(image) * factor + shift, 0, 255).astype(np.uint8)


ALTERATIONS = {
    "JPEG 30": jpeg(30),
    "48 pixels": lambda image: image.resize((48, 48), Image.Resampling.BILINEAR),
    "75 x 90 pixels": lambda image: image.resize((75, 90), Image.Resampling.LANCZOS),
    "224 pixels": lambda image: image.resize((224, 224), Image.Resampling.BICUBIC),
    "darker": scaled(0.6, 0),
    "brighter": scaled(0.8, 45),
    "grey and darker": lambda image: image.convert("L").point(lambda value: value * 0.8).convert("RGB"),
}


def test_pictures_that_are_the_same_to_the_pixel(faces, others):
    mixed = FaceSet(
        "mixed",
        np.concatenate([others.images[:5], faces.images[[7, 3]], faces.images[[9], :, ::-1]]),
        np.zeros(8, np.int64),
        faces.classes,
    )
    found = find_duplicates(faces, mixed)
    assert [(pair.first_index, pair.second_index, pair.kind, pair.mirrored) for pair in found] == [
        (3, 6, "exact", False),
        (7, 5, "exact", False),
        (9, 7, "exact", True),
    ]
    assert {pair.distance for pair in found} == {0.0}


@pytest.mark.parametrize("mirrored", [False, True], ids=["upright", "mirrored"])
@pytest.mark.parametrize("alter", ALTERATIONS.values(), ids=ALTERATIONS)
def test_copies_are_found_each_with_its_original_and_nothing_else(faces, alter, mirrored):
    copies = altered(mirror(faces) if mirrored else faces, alter)
    found = find_duplicates(faces, copies)
    assert [(pair.first_index, pair.second_index) for pair in found] == [(i, i) for i in range(len(faces))]
    assert {(pair.kind, pair.mirrored) for pair in found} == {("perceptual", mirrored)}
    assert max(pair.distance for pair in found) < 0.01


def test_different_people_in_the_same_poses_and_lights_are_no_duplicates(faces, others):
    assert find_duplicates(faces, others) == []


def correlations(first: FaceSet, second: FaceSet):
    """The definition, computed plainly: luma, areas (128 pixels reduced to 24 by way of 384), correlation."""
    thumbnails = []
    for image in (*first.images, *second.images):
        luma = image @ np.array([0.299, 0.587, 0.114])
        areas = luma.repeat(3, 0).repeat(3, 1).reshape(24, 16, 24, 16).mean((1, 3))
        thumbnails.append((areas - areas.mean()) / areas.std() / 24)
    vectors = np.stack(thumbnails).reshape(len(thumbnails), -1)
    return vectors[: len(first)] @ vectors[len(first) :].T


@pytest.mark.parametrize(("threshold", "fewest"), [(THRESHOLD, 0), (0.9, 1), (0.7, 200)])
def test_the_coarse_screen_loses_no_pair(faces, others, threshold, fewest):
    found = {
        (pair.first_index, pair.second_index): pair.distance
        for pair in find_duplicates(faces, others, threshold=threshold)
        if not pair.mirrored
    }
    expected = correlations(faces, others)
    assert {*found} == {*zip(*map(np.ndarray.tolist, np.nonzero(expected >= threshold)), strict=True)}
    assert len(found) >= fewest
    assert all(distance == pytest.approx(1 - expected[pair], abs=1e-5) for pair, distance in found.items())


@given(st.integers(0, 2**32 - 1), st.integers(0, 255))
@settings(max_examples=20, deadline=None)
def test_plain_pictures_are_compared_by_their_pixels_only(seed, grey):
    rng = np.random.default_rng(seed)
    plain = np.full((2, 40, 40, 3), grey, np.uint8)
    plain[1] ^= 1
    noisy = (plain ^ rng.integers(0, 2, plain.shape, dtype=np.uint8))[:1]
    first, second = (
        FaceSet(n, i, np.zeros(len(i), np.int64), ("a",)) for n, i in (("plain", plain), ("noisy", noisy))
    )
    assert find_duplicates(first, second) == []
    assert [(pair.first_index, pair.second_index) for pair in find_duplicates(first, first)] == [
        (0, 0),
        (1, 1),
    ]


def test_memory_mapped_pictures_are_read_in_slices(faces, others, tmp_path):
    many = np.concatenate([others.images, faces.images, others.images, faces.images[::-1]])
    np.save(tmp_path / "images.npy", many)

    class Watched(MappedImages):
        longest = 0

        def __getitem__(self, key):
            part = super().__getitem__(key)
            Watched.longest = max(Watched.longest, len(part))
            return part

    images = Watched(tmp_path / "images.npy")
    mapped = FaceSet("mapped", images, np.zeros(len(many), np.int64), ("a",))
    pairs = {(pair.first_index, pair.second_index) for pair in find_duplicates(mapped, faces)}
    assert pairs == {(140 + i, i) for i in range(70)} | {(419 - i, i) for i in range(70)}
    assert 0 < Watched.longest < len(many)


def test_the_guard_names_what_leaked(faces, others):
    leaking = replace(
        others.take(np.arange(20)),
        images=np.concatenate([others.images[:17], mirror(faces).images[4:5], faces.images[5:7]]),
    )
    train, test = replace(faces, name="a:train", attributes={}), replace(leaking, name="a:test")
    guard(train, others)
    with pytest.raises(DataError, match="a:train and in a:test: 3 pairs, 3 of them") as caught:
        guard(train, others.take(np.arange(17, 40), "a:val"), test)
    assert "4 = 17 mirrored, 5 = 18, 6 = 19" in caught.value.found
    with pytest.raises(DataError, match="b:val and in a:test"):
        guard(others.take(np.arange(20, 25), "b:train"), train.take(np.arange(5), "b:val"), test)


def test_people_on_both_sides_are_a_leak_within_one_set(faces, others):
    def named(part: FaceSet, name: str, subject: int) -> FaceSet:
        return replace(part, name=name, attributes={"subject": np.full(len(part), subject)})

    with pytest.raises(DataError, match="people are both in kdef:x@train and in kdef:x@test: 1, first 7"):
        guard(named(faces, "kdef:x@train", 7), named(others, "kdef:x@test", 7))
    guard(named(faces, "kdef:x@train", 7), named(others, "kdef:x@test", 8))
    guard(named(faces, "kdef:x", 7), named(others, "jaffe:x", 7))
    assert shared_subjects(faces, replace(others, attributes={})) == []
    partly = faces.take(np.arange(2), "csv:x")
    sets = (replace(partly, attributes={"subject": np.array(["", person])}) for person in "AB")
    assert shared_subjects(*sets) == []


def test_nothing_is_shared_with_an_empty_set(faces):
    empty = faces.take(np.arange(0))
    assert find_duplicates(faces, empty) == find_duplicates(empty, faces) == []


def test_leaked_pictures_can_be_taken_out_of_the_training(faces, others):
    train = faces.take(np.arange(20))
    kept = without_duplicates(train, altered(faces.take(np.array([2, 11])), jpeg(50)), others)
    assert np.array_equal(kept.images, np.delete(train.images, [2, 11], axis=0))
    assert without_duplicates(train, others) is train


def test_unit_vectors():
    rng = np.random.default_rng(0)
    thumbnails = rng.normal(100, 30, (3, 24, 24)).astype(np.float32)
    thumbnails[1] = 100 + rng.normal(0, 0.5, (24, 24))
    vectors = unit(thumbnails)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, 0, 1], atol=1e-6)
    np.testing.assert_allclose(vectors.sum(1), 0, atol=1e-5)
    np.testing.assert_allclose(unit(0.5 * thumbnails[:1] + 20), vectors[:1], atol=1e-6)


@pytest.mark.slow
def test_no_false_alarm_on_synthfer_at_large():
    guard(load("synthfer:val"), load("synthfer:test"))
