"""Shards: one file per person with all their pictures, checksummed.

A line of JSON (shape, sha256) of fixed length, then the raw pixels. A shard appears under its name only
when it is complete, and is believed only when its digest fits.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
from pathlib import Path

import numpy as np

from edgefer.data.synthetic.arrays import Bytes
from edgefer_runtime.errors import DataError

HEADER_BYTES = 160
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class DamagedShardError(Exception):
    """A shard that is not what was written; it can be rendered again."""


def make_folder(folder: Path) -> None:
    """Make the folder that shards go to, unless it is there.

    Raises:
        DataError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error


def write_shard(path: Path, images: Bytes) -> None:
    """Write ``images`` so that ``path`` holds all of them or is left as it was.

    Raises:
        DataError: the disk is full or the folder cannot be written.
    """
    pixels = np.ascontiguousarray(images).data
    header = json.dumps({"shape": images.shape, "sha256": hashlib.sha256(pixels).hexdigest()}).encode()
    part = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
            part = Path(file.name)
            file.write(header.ljust(HEADER_BYTES - 1) + b"\n")
            file.write(pixels)
        part.replace(path)
    except OSError as error:
        if error.errno in NO_SPACE:
            raise DataError(
                f"no space left for {path}",
                expected=f"{HEADER_BYTES + images.nbytes:,} bytes free in {path.parent}",
                action="free some or set EDGEFER_CACHE=/another/folder, and go on: what is done is kept",
            ) from error
        raise _unwritable(path, error) from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def read_shard(path: Path, into: Bytes) -> None:
    """Read a shard into ``into``, which is contiguous and has the shard's shape.

    Raises:
        DamagedShardError: the file is truncated, altered or of another shape; ``into`` is then undefined.
        FileNotFoundError: there is none.
    """
    with path.open("rb") as file:
        try:
            header = json.loads(file.read(HEADER_BYTES))
            shape, digest = tuple(header["shape"]), header["sha256"]
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedShardError(path) from error
        if shape != into.shape or file.readinto(into.data) != into.nbytes or file.read(1):
            raise DamagedShardError(path)
    if hashlib.sha256(into.data).hexdigest() != digest:
        raise DamagedShardError(path)


def _unwritable(path: Path, error: OSError) -> DataError:
    return DataError(
        f"{path} cannot be written ({os.strerror(error.errno or 0)})",
        expected="a cache folder that can be written",
        action="mend its permissions, or set EDGEFER_CACHE=/another/folder",
    )
