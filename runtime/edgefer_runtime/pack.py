"""An eval pack: labelled face crops as plain arrays, to be scored on where there is no data set.

pack.json         schema, name, classes, fingerprint of the set, notice; size and sha256 of each array
images.npy        uint8, N x H x W x 3, RGB
labels.npy        int64, N, indices into the classes
ATTRIBUTE.npy     of length N: subject, yaw, ...

Arrays of objects, which only pickle could hold, are neither written nor read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.documents import read_json, require_schema
from edgefer_runtime.errors import DataError
from edgefer_runtime.files import copy_hashed, is_inside, replacing, write_whole
from edgefer_runtime.images import Images
from edgefer_runtime.tables import Line, Within, read_table

SCHEMA = "edgefer.pack/1"
INDEX = "pack.json"
IMAGES, LABELS = "images", "labels"


class StoredArray(TypedDict):
    """Size in bytes and sha256 of one of the arrays."""

    size: Annotated[int, Within(0, 1 << 53)]
    sha256: str


class Index(TypedDict):
    """``pack.json``."""

    name: str
    classes: tuple[Annotated[str, Line()], ...]
    fingerprint: str
    notice: str
    arrays: Mapping[str, StoredArray]


@dataclass(frozen=True, eq=False)
class Pack:
    """A pack that was opened: all that scoring asks of a face set.

    Attributes:
        name: the set and split.
        images: uint8, N x H x W x 3, RGB, read from the file as they are asked for.
        labels: int64, N, indices into ``classes``.
        classes: class names in order.
        attributes: arrays of length N.
        notice: what readers of a number must know of the faces.
    """

    name: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    attributes: Mapping[str, NDArray[np.generic]]
    notice: str
    _fingerprint: str

    def fingerprint(self) -> str:
        """sha256 of the set that was packed, over pixels, labels and class names."""
        return self._fingerprint


def write_pack(
    folder: Path,
    *,
    name: str,
    images: Images,
    labels: NDArray[np.int64],
    classes: Sequence[str],
    attributes: Mapping[str, NDArray[np.generic]],
    fingerprint: str,
    notice: str = "",
) -> None:
    """Write a pack into ``folder``, its index last.

    Raises:
        DataError: the folder cannot be written to: its disk is full.
        ValueError: an attribute that only pickle could hold.
    """
    arrays: dict[str, NDArray[Any]] = {IMAGES: images[:], LABELS: labels, **attributes}
    entries = {}
    for key, array in arrays.items():
        path = folder / f"{key}.npy"
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.save(file, array, allow_pickle=False)
        with path.open("rb") as file:
            size, digest = copy_hashed(file)
        entries[key] = {"size": size, "sha256": digest}
    index = {
        "schema": SCHEMA,
        "name": name,
        "classes": list(classes),
        "fingerprint": fingerprint,
        "notice": notice,
        "arrays": entries,
    }
    write_whole(folder / INDEX, json.dumps(index, indent=2).encode())


def open_pack(folder: Path) -> Pack:
    """Open the pack in ``folder``; every array is checked against its sha256 before it is used.

    Raises:
        DataError: no pack, a damaged one, or arrays that do not fit each other.
    """
    try:
        written = require_schema(read_json(folder / INDEX), SCHEMA, INDEX, action="make it again")
        index = read_table(Index, written, INDEX)
        arrays = {key: _array(folder, key, entry) for key, entry in index["arrays"].items()}
        images, labels = arrays.pop(IMAGES), arrays.pop(LABELS)
        classes = index["classes"]
        lengths = {len(array) for array in (images, labels, *arrays.values())}
        if len(lengths) != 1 or images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
            raise ValueError(f"images {images.dtype} {images.shape} and arrays of {sorted(lengths)}")
        if labels.ndim != 1 or labels.min() < 0 or labels.max() >= len(classes):
            raise ValueError("labels beyond the classes")
        return Pack(
            index["name"],
            images,
            labels.astype(np.int64),
            classes,
            arrays,
            index["notice"],
            index["fingerprint"],
        )
    except (DataError, OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise DataError(
            f"{folder}: no intact eval pack ({getattr(error, 'found', error)})",
            expected=f"a folder of schema {SCHEMA}, every array as its index says",
            action="make it again, or copy the whole folder",
        ) from error


def _array(folder: Path, key: str, entry: StoredArray) -> NDArray[Any]:
    name = f"{key}.npy"
    if not is_inside(name) or "/" in name:
        raise ValueError(f"an array called {key!r}")
    with (folder / name).open("rb") as file:
        size, digest = copy_hashed(file)
    if (size, digest) != (entry["size"], entry["sha256"]):
        raise ValueError(f"{name} is not as the index says")
    loaded: NDArray[Any] = np.load(folder / name, mmap_mode="r", allow_pickle=False)
    return loaded
