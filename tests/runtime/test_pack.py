"""Eval packs: back as they were, never pickle, never believed unchecked."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgefer_runtime.errors import DataError
from edgefer_runtime.pack import open_pack, write_pack

CLASSES = ("happiness", "sadness", "surprise")


@pytest.fixture
def written(faces: np.ndarray, tmp_path: Path) -> Path:
    write_pack(
        tmp_path / "pack",
        name="colours:test",
        images=faces,
        labels=np.arange(70) % 3,
        classes=CLASSES,
        attributes={"subject": np.array([f"p{n // 7}" for n in range(70)]), "yaw": np.arange(70.0)},
        fingerprint="f" * 64,
        notice="noise, not faces",
    )
    return tmp_path / "pack"


def test_a_pack_comes_back_as_it_was(written: Path, faces: np.ndarray) -> None:
    pack = open_pack(written)
    assert (pack.name, pack.classes, pack.notice) == ("colours:test", CLASSES, "noise, not faces")
    assert np.array_equal(pack.images, faces) and np.array_equal(pack.labels, np.arange(70) % 3)
    assert list(pack.attributes["subject"][:8]) == ["p0"] * 7 + ["p1"]
    assert pack.fingerprint() == "f" * 64


@pytest.mark.parametrize("name", ["images.npy", "labels.npy", "yaw.npy"])
def test_damage_is_found(written: Path, name: str) -> None:
    content = bytearray((written / name).read_bytes())
    content[-1] ^= 1
    (written / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name} is not as the index says"):
        open_pack(written)
    (written / name).unlink()
    with pytest.raises(DataError, match="no intact eval pack"):
        open_pack(written)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda index: index.update(schema="edgefer.pack/9"),
        lambda index: index.update(classes=["happiness"]),
        lambda index: index["arrays"].update({"../yaw": index["arrays"]["yaw"]}),
        lambda index: index["arrays"].pop("labels"),
    ],
)
def test_an_index_that_does_not_fit(written: Path, spoil) -> None:  # type: ignore[no-untyped-def]
    index = json.loads((written / "pack.json").read_text())
    spoil(index)
    (written / "pack.json").write_text(json.dumps(index))
    with pytest.raises(DataError, match="no intact eval pack"):
        open_pack(written)


def test_nothing_that_needs_pickle_is_written(faces: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="pickle"):
        write_pack(
            tmp_path,
            name="n",
            images=faces,
            labels=np.zeros(70, dtype=np.int64),
            classes=CLASSES,
            attributes={"subject": np.array([object()] * 70)},
            fingerprint="",
        )
    assert not (tmp_path / "pack.json").exists()
