"""A calibration set as one file: an uncompressed ``.npz`` without pickle, its images read as needed.

Members: ``set.json`` (schema, name, classes, strategy, seed, count, sha256), ``images.npy``, ``indices.npy``,
``labels.npy`` where labels are known, and ``attribute/NAME.npy`` for each attribute. ``numpy.load`` reads it.
"""

from __future__ import annotations

import json
import math
import zlib
from pathlib import Path
from typing import Annotated, Any, BinaryIO, TypedDict, cast
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from edgefer_calibration.sets import CalibrationSet
from edgefer_runtime.documents import LIMIT_BYTES, parse_json, require_schema
from edgefer_runtime.errors import DataError, UsageError
from edgefer_runtime.files import replacing
from edgefer_runtime.tables import Line, read_table

SCHEMA = "edgefer.calibration/1"
SUFFIX = ".npz"
ATTRIBUTE = "attribute/"
LOCAL_HEADER_BYTES = 30
"""Of a zip member, before its name; the lengths of name and extra field stand in the last four."""


UNREADABLE = (
    OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, BadZipFile,
    NotImplementedError, RuntimeError, zlib.error, OverflowError,
)  # fmt: skip
"""What damaged, encrypted and unsupported archives and arrays raise."""


class About(TypedDict):
    """``set.json``."""

    name: str
    classes: tuple[Annotated[str, Line()], ...]
    strategy: str
    seed: int
    sha256: str


def require_name(path: Path) -> None:
    """Notice before the work what would stop :func:`write_set` after it.

    Raises:
        UsageError: ``path`` does not end in ``.npz``.
    """
    if path.suffix != SUFFIX:
        raise UsageError(f"{path}: no calibration set's name", expected=f"a name that ends in {SUFFIX}")


def write_set(path: Path, calibration: CalibrationSet) -> None:
    """Write a set to ``path``, whole or not at all, a few images at a time.

    Raises:
        UsageError: ``path`` does not end in ``.npz``.
        DataError: it cannot be written.
    """
    require_name(path)
    about = {"schema": SCHEMA, **calibration.summary(), "classes": calibration.classes}
    columns: dict[str, NDArray[np.generic]] = {"indices": calibration.indices}
    if calibration.labels is not None:
        columns["labels"] = calibration.labels
    columns |= {ATTRIBUTE + name: values for name, values in calibration.attributes.items()}
    with replacing(path) as temporary, ZipFile(temporary, "w", ZIP_STORED) as archive:
        archive.writestr("set.json", json.dumps(about, indent=2))
        for name, values in columns.items():
            with archive.open(f"{name}.npy", "w") as member:
                npy.write_array(member, values, allow_pickle=False)
        header = {"descr": "|u1", "fortran_order": False, "shape": tuple(calibration.images.shape)}
        with archive.open("images.npy", "w", force_zip64=True) as member:
            npy.write_array_header_1_0(member, header)
            for _, images in calibration.chunks():
                member.write(images.data)


def read_set(path: Path) -> CalibrationSet:
    """The set at ``path``; its images stay in the file.

    Raises:
        DataError: no such file, no calibration set, or one that was damaged or altered.
    """
    try:
        with ZipFile(path) as archive:
            with archive.open("set.json") as member:
                text = member.read(LIMIT_BYTES + 1)
            value = require_schema(parse_json(text, "set.json"), SCHEMA, "set.json", action="")
            about = read_table(About, value, "set.json")
            arrays = {
                name.removesuffix(".npy"): _array(archive, name)
                for name in archive.namelist()
                if name.endswith(".npy") and name != "images.npy"
            }
            images = _stored(path, archive, "images.npy")
        calibration = CalibrationSet(
            images,
            about["name"],
            arrays["indices"].astype(np.int64),
            arrays["labels"].astype(np.int64) if "labels" in arrays else None,
            about["classes"],
            {
                name.removeprefix(ATTRIBUTE): values
                for name, values in arrays.items()
                if name.startswith(ATTRIBUTE)
            },
            about["strategy"],
            about["seed"],
        )
        if calibration.fingerprint != about["sha256"]:
            raise ValueError("its images are not those it was written with")
    except (DataError, *UNREADABLE) as error:
        raise DataError(
            f"{path}: no calibration set that can be used ({getattr(error, 'found', error)})",
            expected=f"a {SUFFIX} file of schema {SCHEMA}, as it was written",
            action="make it again: edgefer calibrate make",
        ) from error
    return calibration


def _array(archive: ZipFile, name: str) -> NDArray[np.generic]:
    if archive.getinfo(name).compress_type != ZIP_STORED:
        raise ValueError(f"{name} is compressed")
    with archive.open(name) as member:
        return cast(NDArray[np.generic], npy.read_array(member, allow_pickle=False))


class StoredImages:
    """Images in a set's file, read when they are asked for.

    The file is mapped for each read and let go again: what stayed mapped would count as memory in use.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, path: Path, offset_bytes: int, shape: tuple[int, ...]) -> None:
        self.shape, self._path, self._offset_bytes = shape, path, offset_bytes

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: slice | NDArray[Any], /) -> NDArray[np.uint8]:
        return np.array(np.memmap(self._path, np.uint8, "r", self._offset_bytes, self.shape)[key])


def _stored(path: Path, archive: ZipFile, name: str) -> StoredImages:
    """A member that is an array of bytes, where it lies in the archive."""
    info = archive.getinfo(name)
    if info.compress_type != ZIP_STORED:
        raise ValueError(f"{name} is compressed")
    with path.open("rb") as file:
        file.seek(info.header_offset)
        lengths = file.read(LOCAL_HEADER_BYTES)[-4:]
        start = file.seek(sum(np.frombuffer(lengths, "<u2").tolist()), 1)
        shape = _shape(file)
        offset = file.tell()
    if offset - start + math.prod(shape) != info.file_size:
        raise ValueError(f"{name} holds {info.file_size:,} bytes, not {shape}")
    return StoredImages(path, offset, shape)


def _shape(file: BinaryIO) -> tuple[int, ...]:
    if npy.read_magic(file) != (1, 0):
        raise ValueError("an array of another version")
    shape, fortran_order, kind = npy.read_array_header_1_0(file)
    if fortran_order or kind != np.uint8:
        raise ValueError(f"an array of {kind}")
    return shape
