"""Shards: one file per person with all their pictures, checksummed.

A line of JSON (generator, shape, sha256) and the raw pixels. The header is written last in spirit: a shard
appears under its name only when complete, and is believed only when its digest fits.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.errors import DataError

HEADER_BYTES = 160
"""The header's fixed length, padded with blanks, so that the pixels start at a known place."""


class DamagedShard(Exception):
    """A shard that is not what was written; it can be rendered again."""


def write_shard(path: Path, images: NDArray[np.uint8]) -> None:
    """Write ``images`` so that ``path`` holds all of them or does not exist.

    Raises:
        DataError: the disk is full or the folder cannot be written.
    """
    pixels = np.ascontiguousarray(images).data
    header = json.dumps({"shape": images.shape, "sha256": hashlib.sha256(pixels).hexdigest()}).encode()
    part = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=path.stem, suffix=".part", delete=False
        ) as file:
            part = Path(file.name)
            file.write(header.ljust(HEADER_BYTES - 1) + b"\n")
            file.write(pixels)
        part.replace(path)
    except OSError as error:
        raise _unwritable(path, images.nbytes, error) from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def read_shard(path: Path, into: NDArray[np.uint8]) -> None:
    """Read a shard into ``into``, which must have its shape.

    Raises:
        DamagedShard: the file is truncated, altered or of another shape.
        FileNotFoundError: there is none.
    """
    with path.open("rb") as file:
        try:
            header = json.loads(file.read(HEADER_BYTES))
            shape, digest = tuple(header["shape"]), header["sha256"]
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedShard(path) from error
        if shape != into.shape or file.readinto(into.reshape(-1).data) != into.nbytes or file.read(1):
            raise DamagedShard(path)
    if hashlib.sha256(into.reshape(-1).data).hexdigest() != digest:
        raise DamagedShard(path)


def _unwritable(path: Path, needed: int, error: OSError) -> DataError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DataError(
            f"no space left for {path} ({needed} bytes)",
            expected=f"{needed} bytes free in {path.parent}",
            action="free some, or move the cache with EDGEFER_CACHE=/another/folder; finished parts are kept",
        )
    return DataError(
        f"{path} cannot be written ({os.strerror(error.errno or 0)})",
        expected="a cache folder that can be written",
        action="mend its permissions or set EDGEFER_CACHE=/another/folder",
    )
