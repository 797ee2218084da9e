"""Calibration sets: hashed, streamed, kept in a file, and refused when they would calibrate wrongly."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgefer_calibration import CalibrationSet
from edgefer_calibration.sets import CHUNK
from edgefer_calibration.storage import StoredImages, read_set, write_set
from edgefer_calibration.validation import validate
from edgefer_runtime.errors import DataError, UsageError


def images_of(count: int, height: int = 26, width: int = 25) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


@pytest.fixture
def good() -> CalibrationSet:
    return CalibrationSet(
        images_of(8),
        "set:train",
        np.arange(10, 18),
        np.arange(8) % 2,
        ("joy", "rage"),
        {"yaw": np.array([-45, 0] * 4), "subject": np.array(["a", "b"] * 4)},
        "class",
        5,
    )


class Counted:
    """Images that keep account of how many were asked for at once."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        self._images, self.shape, self.dtype, self.most = images, images.shape, images.dtype, 0

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, key: slice | NDArray[Any]) -> NDArray[np.uint8]:
        self.most = max(self.most, len(self._images[key]))
        return self._images[key]


def test_the_fingerprint_sees_pixels_order_and_name(good: CalibrationSet) -> None:
    brighter = np.array(good.images)
    brighter[3, 2, 2, 1] ^= 1
    others = [
        replace(good, images=brighter),
        replace(good, name="another"),
        replace(good, indices=good.indices[::-1].copy()),
        replace(good, images=np.array(good.images)[::-1]),
    ]
    assert len({good.fingerprint, *(other.fingerprint for other in others)}) == 5


def test_images_are_read_a_few_at_a_time(tmp_path: Path) -> None:
    images = images_of(3 * CHUNK + 1)
    lazy = Counted(images)
    streamed = CalibrationSet(lazy, "set", np.arange(len(images)))
    validate(streamed)
    write_set(tmp_path / "set.npz", streamed)
    assert lazy.most == CHUNK
    assert streamed.fingerprint == CalibrationSet(images, "set", np.arange(len(images))).fingerprint


def test_a_file_gives_back_the_set_and_keeps_its_images(good: CalibrationSet, tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    write_set(path, good)
    back = read_set(path)
    assert isinstance(back.images, StoredImages)
    assert np.array_equal(back.images[:], good.images) and back.fingerprint == good.fingerprint
    assert np.array_equal(back.indices, good.indices) and np.array_equal(back.labels, good.labels)
    assert (back.name, back.classes, back.strategy, back.seed) == (
        "set:train",
        ("joy", "rage"),
        "class",
        5,
    )
    assert {name: values.tolist() for name, values in back.attributes.items()} == {
        name: values.tolist() for name, values in good.attributes.items()
    }
    unlabelled = replace(good, labels=None, classes=(), attributes={})
    write_set(path, unlabelled)
    assert read_set(path).labels is None
    assert [file.name for file in tmp_path.iterdir()] == ["set.npz"]


PEAK = """
import sys
from pathlib import Path
from edgefer_calibration.storage import read_set
from edgefer_calibration.validation import validate
from edgefer_runtime.footprint import peak_resident_bytes
validate(read_set(Path(sys.argv[1])))
print(peak_resident_bytes())
"""


def test_reading_a_large_file_takes_no_more_memory_than_a_small_one(tmp_path: Path) -> None:
    def peak_bytes(count: int) -> int:
        path = tmp_path / "set.npz"
        write_set(path, CalibrationSet(images_of(count, 200, 200), "set", np.arange(count)))
        words = [sys.executable, "-c", PEAK, str(path)]
        return int(subprocess.run(words, capture_output=True, text=True, check=True).stdout)

    assert peak_bytes(10 * CHUNK) - peak_bytes(2 * CHUNK) < 4e6, "8 x 64 images take 61 MB"


def test_any_numpy_reads_the_file_without_pickle(good: CalibrationSet, tmp_path: Path) -> None:
    write_set(tmp_path / "set.npz", good)
    members = np.load(tmp_path / "set.npz", allow_pickle=False)
    assert np.array_equal(members["images"], good.images)
    assert json.loads(members["set.json"])["schema"] == "edgefer.calibration/1"


def rewritten(
    path: Path, change: Callable[[dict[str, bytes]], object], how: int = zipfile.ZIP_STORED
) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", how) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def another_schema(members: dict[str, bytes]) -> None:
    members["set.json"] = members["set.json"].replace(b"calibration/1", b"calibration/9")


def a_brighter_pixel(members: dict[str, bytes]) -> None:
    pixels = bytearray(members["images.npy"])
    pixels[-1] ^= 1
    members["images.npy"] = bytes(pixels)


def a_longer_shape(members: dict[str, bytes]) -> None:
    members["images.npy"] = members["images.npy"].replace(b"(8, 26,", b"(9, 26,")


def a_pickle(members: dict[str, bytes]) -> None:
    members["labels.npy"] = members["labels.npy"].replace(b"'<i8'", b"'|O' ")


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-200]), "zip"),
        (lambda path: path.write_text("this is no set"), "zip"),
        (lambda path: path.unlink(), "No such file"),
        (lambda path: rewritten(path, another_schema), "calibration/9"),
        (lambda path: rewritten(path, a_brighter_pixel), "not those"),
        (lambda path: rewritten(path, a_longer_shape), "bytes, not"),
        (lambda path: rewritten(path, a_pickle), "allow_pickle"),
        (lambda path: rewritten(path, lambda members: members.pop("images.npy")), "images.npy"),
        (lambda path: rewritten(path, lambda members: None, zipfile.ZIP_DEFLATED), "compressed"),
        (lambda path: np.savez(path, images=images_of(3)), "set.json"),
    ],
)
def test_a_damaged_file_is_told(
    damage: Callable[[Path], object], told: str, good: CalibrationSet, tmp_path: Path
) -> None:
    path = tmp_path / "set.npz"
    write_set(path, good)
    damage(path)
    with pytest.raises(DataError, match=told) as caught:
        read_set(path)
    assert str(path) in str(caught.value)


def test_a_file_of_another_name_is_refused(good: CalibrationSet, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.npz"):
        write_set(tmp_path / "set.zip", good)
    assert not list(tmp_path.iterdir())


def changed(images: NDArray[np.uint8], position: int, value: object) -> NDArray[np.uint8]:
    images[position] = value
    return images


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda images: {"images": images.astype(np.float32)}, "type float32"),
        (lambda images: {"images": images[..., :2]}, "shape"),
        (lambda images: {"images": images[:0]}, "shape"),
        (lambda images: {"images": images[:, :23]}, "25 x 23 pixels, fewer than 24"),
        (lambda images: {"images": np.tile(images, (1, 1, 2, 1))}, "50 x 26 pixels, shaped"),
        (lambda images: {"images": changed(images, 2, (9, 200, 31))}, "one grey level: 12"),
        (lambda images: {"images": changed(images, 2, images[2] // 255)}, "one grey level: 12"),
        (lambda images: {"images": changed(images, 5, images[1])}, "already: 15"),
        (lambda images: {"labels": np.arange(7) % 2}, "7 labels for 8"),
        (lambda images: {"attributes": {"yaw": np.zeros(9)}}, "9 yaw for 8"),
        (lambda images: {"labels": np.array([0, 0, 0, 0, 0, 0, 1, 1])}, "joy 6, rage 2"),
        (lambda images: {"labels": np.arange(8) % 3}, "labels 0..2 for 2"),
        (lambda images: {"labels": np.zeros(8, np.int64), "strategy": "random"}, "joy 8, rage 0"),
    ],
)
def test_a_spoilt_set_is_refused(
    spoil: Callable[[NDArray[np.uint8]], dict[str, Any]], message: str, good: CalibrationSet
) -> None:
    validate(good)
    with pytest.raises(DataError, match=message):
        validate(replace(good, **spoil(np.array(good.images))))


def test_everything_wrong_is_told_at_once_by_file_name(good: CalibrationSet) -> None:
    images = np.array(good.images)
    images[:3] = 0
    files = np.array([f"{number}.png" for number in range(8)])
    with pytest.raises(DataError, match=r"grey level: 0\.png, 1\.png, 2\.png.*already: 1\.png, 2\.png"):
        validate(replace(good, images=images, attributes={"file": files}))


def test_a_random_set_need_not_be_balanced(good: CalibrationSet) -> None:
    validate(replace(good, labels=np.array([0, 0, 0, 0, 0, 0, 1, 1]), strategy="random"))
