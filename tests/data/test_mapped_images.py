"""Sets that memory does not hold: decoded once, read from a file, with little memory at any time."""

from __future__ import annotations

import os
import pickle
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edgefer.data import load
from edgefer.data.faceset import FaceSet, mirror
from edgefer.data.leakage import find_duplicates
from edgefer.data.mapped import MappedImages
from edgefer.data.sheet import contact_sheet
from edgefer_runtime.errors import DataError


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("EDGEFER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "pictures"


@pytest.fixture
def stored(tmp_path) -> tuple[Path, np.ndarray]:
    images = np.random.RandomState(0).randint(0, 256, (20, 4, 5, 3)).astype(np.uint8)
    np.save(tmp_path / "images.npy", images)
    return tmp_path / "images.npy", images


@contextmanager
def peak_bytes() -> Iterator[list[int]]:
    """Receives the most memory that numpy and Python held in the block beyond what they held before."""
    tracemalloc.start()
    peak: list[int] = []
    try:
        yield peak
        peak.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["rafdb", "affectnet", "fer2013", "ferplus"])
def test_a_set_in_a_file_is_the_set_in_memory(miniature, cache, name):
    path = miniature(name)
    held, mapped = load(f"{name}:{path}"), load(f"{name}:{path}", memory_limit_bytes=1000)
    assert isinstance(mapped.images, MappedImages) and isinstance(held.images, np.ndarray)
    assert mapped.images.shape == held.images.shape and mapped.images.dtype == np.uint8
    assert mapped.fingerprint() == held.fingerprint()
    indices = np.array([4, 0, 3, 3])
    assert mapped.take(indices).fingerprint() == held.take(indices).fingerprint()
    assert mirror(mapped).fingerprint() == mirror(held).fingerprint()
    assert np.array_equal(contact_sheet(mapped), contact_sheet(held))
    assert [(pair.first_index, pair.second_index) for pair in find_duplicates(mapped, mapped)] == [
        (pair.first_index, pair.second_index) for pair in find_duplicates(held, held)
    ]


@settings(deadline=None)
@given(st.lists(st.integers(-20, 19), max_size=30), st.slices(20), st.data())
def test_indexing_is_that_of_an_array(stored_once, chosen, part, data):
    path, images = stored_once
    mapped, indices = MappedImages(path), np.array(chosen, np.int64)
    assert np.array_equal(mapped[indices], images[indices])
    assert np.array_equal(mapped[part], images[part])
    taken, expected = mapped.take(indices), images[indices]
    assert taken.shape == expected.shape and len(taken) == len(expected)
    again = data.draw(st.slices(len(expected)))
    assert np.array_equal(taken[again], expected[again])
    turned = np.arange(len(expected))[::-1]
    assert np.array_equal(taken.take(turned)[:], expected[turned])


@pytest.fixture(scope="module")
def stored_once(tmp_path_factory):
    images = np.random.RandomState(0).randint(0, 256, (20, 4, 5, 3)).astype(np.uint8)
    path = tmp_path_factory.mktemp("stored") / "images.npy"
    np.save(path, images)
    return path, images


def test_a_mask_takes_too(stored):
    path, images = stored
    mask = np.arange(20) % 3 == 0
    assert np.array_equal(MappedImages(path).take(mask)[:], images[mask])


def test_what_is_read_may_be_written_to(stored):
    mapped = MappedImages(stored[0])
    read = mapped[:3]
    read[...] = 0
    assert type(read) is np.ndarray
    assert np.array_equal(mapped[:], stored[1])


def test_another_process_gets_the_path_and_not_the_pixels(stored):
    images = MappedImages(stored[0]).take(np.arange(10, 20))
    sent = pickle.dumps(images)
    assert len(sent) < 1000 and np.array_equal(pickle.loads(sent)[:], stored[1][10:])


@pytest.mark.parametrize("array", [np.zeros((2, 3, 3, 3)), np.zeros((2, 3, 3), np.uint8)], ids=str)
def test_a_file_of_something_else_is_refused(tmp_path, array):
    np.save(tmp_path / "other.npy", array)
    with pytest.raises(ValueError, match="no images"):
        MappedImages(tmp_path / "other.npy")


@pytest.fixture
def many(tmp_path):
    """600 pictures of 64 x 64: 7.4 million bytes decoded, much more than are decoded at once."""
    generator = np.random.RandomState(0)
    for name in ("glad", "grim"):
        (tmp_path / "many" / name).mkdir(parents=True)
        for number in range(300):
            noise = generator.randint(0, 256, (64, 64, 3)).astype(np.uint8)
            Image.fromarray(noise).save(tmp_path / "many" / name / f"{number:03d}.bmp")
    return tmp_path / "many"


def test_decoding_taking_and_reading_hold_a_few_pictures_at_a_time(many, cache, monkeypatch):
    monkeypatch.setattr("edgefer.data.decode.CHUNK", 16)
    decoded = 600 * 64 * 64 * 3
    load(str(many), memory_limit_bytes=decoded // 2).images[:1]  # what is imported on the way stays outside
    for file in cache.iterdir():
        file.unlink()
    with peak_bytes() as peak:
        faces = load(str(many), memory_limit_bytes=decoded // 2)
    assert peak[0] < decoded / 4
    with peak_bytes() as peak:
        half = faces.take(np.arange(300, 600))
        assert half.images[10:12].shape == (2, 64, 64, 3)
    assert peak[0] < decoded / 50
    assert isinstance(half, FaceSet) and (half.labels == 1).all()


def test_pictures_are_decoded_once_until_one_of_them_changes(miniature, cache):
    path = miniature("rafdb")
    counted = []
    first = load(f"rafdb:{path}", memory_limit_bytes=0, progress=lambda *step: counted.append(step))
    assert counted[-1] == (10, 10)
    counted.clear()
    second = load(f"rafdb:{path}", memory_limit_bytes=0, progress=lambda *step: counted.append(step))
    assert not counted and second.fingerprint() == first.fingerprint()
    picture = next(path.rglob("train_00003_aligned.jpg"))
    os.utime(picture, ns=(1, 1))
    load(f"rafdb:{path}", memory_limit_bytes=0, progress=lambda *step: counted.append(step))
    assert counted and len(list(cache.iterdir())) == 2


def test_another_csv_file_of_the_same_name_is_another_set(miniature, cache):
    path = miniature("fer2013")
    before = load(f"fer2013:{path}", memory_limit_bytes=0).fingerprint()
    table = path / "fer2013.csv"
    lines = table.read_text().splitlines()
    lines[1] = lines[1].replace(lines[1].split(",")[1], lines[2].split(",")[1])
    table.write_text("\n".join(lines))
    assert load(f"fer2013:{path}", memory_limit_bytes=0).fingerprint() != before


@pytest.mark.parametrize("damage", [b"", b"no array", None], ids=["empty", "text", "truncated"])
def test_a_damaged_file_is_written_anew(miniature, cache, damage):
    path = miniature("rafdb")
    expected = load(f"rafdb:{path}", memory_limit_bytes=0).fingerprint()
    (file,) = cache.iterdir()
    content = file.read_bytes()
    file.write_bytes(content[:-1] if damage is None else damage)
    assert load(f"rafdb:{path}", memory_limit_bytes=0).fingerprint() == expected
    assert file.read_bytes() == content and len(list(cache.iterdir())) == 1


def test_an_unreadable_picture_leaves_nothing_half_written(miniature, cache):
    path = miniature("rafdb")
    picture = next(path.rglob("train_00003_aligned.jpg"))
    picture.write_bytes(picture.read_bytes()[:800])
    with pytest.raises(DataError, match="train_00003"):
        load(f"rafdb:{path}", memory_limit_bytes=0)
    assert not list(cache.iterdir())


def test_a_full_disk_is_told(miniature, cache, monkeypatch):
    path = miniature("rafdb")
    full = os.statvfs(path)
    monkeypatch.setattr(
        "shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000, "total": full.f_blocks})
    )
    with pytest.raises(DataError, match="1,000 bytes free"):
        load(f"rafdb:{path}", memory_limit_bytes=0)
    assert not list(cache.iterdir())


def test_votes_that_do_not_sum_to_one_are_refused():
    images, labels = np.zeros((2, 4, 4, 3), np.uint8), np.array([0, 1])
    votes = np.array([[0.5, 0.5], [1, 0]], np.float32)
    assert FaceSet("voted", images, labels, ("a", "b"), votes=votes).take(np.array([1])).votes.tolist() == [
        [1, 0]
    ]
    for wrong in (votes * 0.9, votes[:1], np.ones((2, 1), np.float32)):
        with pytest.raises(DataError, match="votes"):
            FaceSet("voted", images, labels, ("a", "b"), votes=wrong)
