"""edgefer's cache: entries that are believed only when they are, byte for byte, what was written for them.

An entry is a plain ``.npy`` file, which ``numpy.load`` reads, with a seal behind its array: a line of JSON
with all that the array depends on and a checksum of its bytes. Who reads an entry knows what it depends on,
its type and its shape, so nothing in the file is parsed: header, seal and length have to be those that would
be written. An entry that is damaged, cut, another one's or of another version is made anew, and a line says
so. A file has its name only once it is complete: of two processes that make one entry, the last one's stays.

Lines go to the logger ``edgefer.cache``, which prints them on standard error where nothing else is set up.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import logging
import math
import os
import re
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from edgefer_runtime.environment import usable_cores
from edgefer_runtime.errors import DataError
from edgefer_runtime.files import sibling

FORMAT = 1
"""Raised when entries are written otherwise."""
SPARE_BYTES = 64 * 2**20
"""Left free on the disk."""
BLOCK_BYTES = 4 * 2**20
"""Hashed on one core; the blocks of a big entry are hashed on all."""
ABANDONED_S = 3600.0
"""A temporary file that nobody has written to for so long belongs to a process that was killed."""
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NOTES = logging.getLogger("edgefer.cache")

Array = NDArray[Any]


def cache_folder() -> Path:
    """``$EDGEFER_CACHE``, else ``$XDG_CACHE_HOME/edgefer``, else ``~/.cache/edgefer``."""
    if chosen := os.environ.get("EDGEFER_CACHE"):
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "edgefer"


@dataclass(frozen=True)
class Entry:
    """One array in the cache, which may not be there yet.

    Attributes:
        path: where it is.
        dtype, shape: of the array.
        of: what it is of, and all else that it depends on; JSON.
    """

    path: Path
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    of: Mapping[str, Any] = field(hash=False)

    @property
    def nbytes(self) -> int:
        """Of the array alone."""
        return self.dtype.itemsize * math.prod(self.shape)

    @property
    def file_bytes(self) -> int:
        """Of the file."""
        return len(self._header()) + self.nbytes + len(self._seal(""))

    def read(self, into: Array | None = None) -> Array | None:
        """The array; None where there is no such entry, or a file that is something else.

        Args:
            into: where to; contiguous and of the entry's type and shape. Undefined when None is returned.
        """
        array = np.empty(self.shape, self.dtype) if into is None else into
        if (array.dtype, array.shape) != (self.dtype, self.shape):
            raise ValueError(f"{array.dtype} {array.shape} for {self.dtype} {self.shape}")
        return array if self._is_whole(_bytes(array)) else None

    def recall(self, make: Callable[[], Array | None]) -> Array | None:
        """The array as it is kept, else as it is made, and kept from then on.

        Args:
            make: makes the array; None where it cannot be had.

        Raises:
            DataError: the cache cannot be written to.
        """
        if (kept := self.read()) is not None:
            return kept
        damaged = self.is_there()
        if (made := make()) is not None:
            self.write(made)
        if damaged:
            report_damaged([self.path], made is not None)
        return made

    def ensure(self, make_parts: Callable[[], Iterable[Array]], what: str) -> None:
        """As :meth:`recall`, of an array that memory does not hold: on return, it is whole in its file.

        Args:
            make_parts: makes it in parts, in order, along its first axis.
            what: its parts are, for messages.

        Raises:
            DataError: the cache cannot be written to, or the disk has no room.
        """
        if self._is_whole(None):
            return
        damaged = self.is_there()
        make_folder(self.path.parent)
        require_space(self.path.parent, self.nbytes, what)
        self.write_parts(make_parts())
        if damaged:
            report_damaged([self.path])

    def is_there(self) -> bool:
        """Whether there is a file of that name, believed or not."""
        return os.path.lexists(self.path)

    def write(self, array: Array) -> None:
        """Keep the array, whole or not at all.

        Raises:
            DataError: the disk is full or the folder cannot be written to.
        """
        self.write_parts([array])

    def write_parts(self, parts: Iterable[Array]) -> None:
        """As :meth:`write`, of an array that comes in parts, in order, along its first axis."""
        checksum = _Checksum()
        with self._replacing() as temporary, temporary.open("wb") as file:
            file.write(self._header())
            for part in parts:
                if (part.dtype, part.shape[1:]) != (self.dtype, self.shape[1:]):
                    raise ValueError(f"{part.dtype} {part.shape} for {self.dtype} {self.shape}")
                content = _bytes(np.ascontiguousarray(part))
                checksum.update(content)
                # Written and not mapped: a full disk is an error then, and no signal that ends the process.
                file.write(content)
            if checksum.size != self.nbytes:
                raise ValueError(f"{checksum.size} bytes for {self.dtype} {self.shape}")
            file.write(self._seal(checksum.hexdigest()))

    def _header(self) -> bytes:
        header = io.BytesIO()
        npy.write_array_header_1_0(
            header, {"descr": npy.dtype_to_descr(self.dtype), "fortran_order": False, "shape": self.shape}
        )
        return header.getvalue()

    def _seal(self, checksum: str) -> bytes:
        """The last line of the file; as long with any checksum."""
        seal = {"edgefer_cache": FORMAT, "of": self.of, "sha256": checksum or "0" * 64}
        return b"\n" + json.dumps(seal, sort_keys=True).encode() + b"\n"

    def _is_whole(self, into: memoryview | None) -> bool:
        """Whether the file is the entry; read to its end, its array into ``into`` if given."""
        header = self._header()
        try:
            with self.path.open("rb") as file:
                if file.read(len(header)) != header:
                    return False
                seal = self._seal(_read(file, self.nbytes, into))
                return file.read(len(seal) + 1) == seal
        except (OSError, EOFError):  # Not there, cut short, a folder, unreadable, on a bad disk.
            return False

    @contextmanager
    def _replacing(self) -> Iterator[Path]:
        """A temporary file beside the entry, which takes its place when the block ends well."""
        temporary = sibling(self.path)
        try:
            make_folder(self.path.parent)
            self._sweep()
            yield temporary
            temporary.replace(self.path)
        except OSError as error:
            raise self._unwritable(error) from error
        finally:
            with suppress(OSError):
                temporary.unlink()

    def _sweep(self) -> None:
        """Remove what writers of this entry left that were killed."""
        for rest in self.path.parent.glob(f".{self.path.name}.*"):
            with suppress(OSError):
                if time.time() - rest.stat().st_mtime > ABANDONED_S:
                    rest.unlink()

    def _unwritable(self, error: OSError) -> DataError:
        if error.errno not in NO_SPACE:
            return _unwritable(self.path, error)
        return DataError(
            f"no space left for {self.path}",
            expected=f"{self.file_bytes:,} bytes free in {self.path.parent}",
            action="free some or set EDGEFER_CACHE=/another/folder, and go on: what is done is kept",
        )


def entry(
    kind: str,
    name: str,
    *,
    dtype: np.dtype[Any] | type[np.generic],
    shape: tuple[int, ...],
    of: Mapping[str, Any],
    version: Mapping[str, Any],
) -> Entry:
    """The entry of that kind.

    Args:
        kind: its folder in the cache.
        name: what its file's name begins with.
        dtype, shape: of its array.
        of: what it is of: entries that differ in it are kept side by side. JSON.
        version: what else it depends on: another version's entry is made anew in its place. JSON.
    """
    digest = hashlib.sha256(json.dumps([of, np.dtype(dtype).str, shape], sort_keys=True).encode()).hexdigest()
    stem = re.sub(r"[^\w.-]+", "-", name)
    path = cache_folder() / kind / f"{stem}-{digest[:16]}.npy"
    return Entry(path, np.dtype(dtype), shape, {"kind": kind, **of, **version})


def make_folder(folder: Path) -> None:
    """Make a folder that entries go to, unless it is there.

    Raises:
        DataError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error


def require_space(folder: Path, needed_bytes: int, what: str) -> None:
    """Notice before the work that a disk is too full for what it makes.

    Raises:
        DataError: fewer than ``needed_bytes`` and some to spare are free for ``folder``, which is there.
    """
    free = shutil.disk_usage(folder).free
    if needed_bytes and free < needed_bytes + SPARE_BYTES:
        raise DataError(
            f"{free:,} bytes free for {folder}",
            expected=f"{needed_bytes + SPARE_BYTES:,} bytes, {needed_bytes:,} of them for {what}",
            action="free some, or move the cache with EDGEFER_CACHE=/another/folder",
        )


def report_damaged(paths: Sequence[Path], made_anew: bool = True) -> None:
    """Tell the user of entries that were not believed; of none, nothing."""
    if not paths:
        return
    what = (
        f"{paths[0]} was"
        if len(paths) == 1
        else f"{len(paths)} entries in {paths[0].parent}, such as {paths[0].name}, were"
    )
    become = "made anew" if made_anew else "not used, and nothing is at hand to make it anew from"
    NOTES.warning("note: cache: %s damaged or of another version: %s", what, become)


def _unwritable(path: Path, error: OSError) -> DataError:
    return DataError(
        f"{path} cannot be written ({os.strerror(error.errno or 0)})",
        expected="a cache folder that can be written",
        action="mend its permissions, or set EDGEFER_CACHE=/another/folder",
    )


class _Checksum:
    """sha256 over the sha256 of each block of :data:`BLOCK_BYTES`, which many cores can compute."""

    def __init__(self) -> None:
        self.size = 0
        self._blocks, self._block = hashlib.sha256(), hashlib.sha256()

    def update(self, content: memoryview) -> None:
        """Add bytes."""
        while len(content):
            part = content[: BLOCK_BYTES - self.size % BLOCK_BYTES]
            self._block.update(part)
            self.size += len(part)
            if self.size % BLOCK_BYTES == 0:
                self._blocks.update(self._block.digest())
                self._block = hashlib.sha256()
            content = content[len(part) :]

    def hexdigest(self) -> str:
        """Of all bytes added."""
        blocks = self._blocks.copy()
        if self.size % BLOCK_BYTES:
            blocks.update(self._block.digest())
        return blocks.hexdigest()


def _read(file: BinaryIO, size: int, into: memoryview | None) -> str:
    """The checksum of the next ``size`` bytes, hashed on all cores while the next blocks are read.

    Raises:
        EOFError: there are fewer.
    """
    blocks, workers = hashlib.sha256(), usable_cores()
    waiting: deque[Future[bytes]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, size, BLOCK_BYTES):
            length = min(BLOCK_BYTES, size - start)
            block = memoryview(bytearray(length)) if into is None else into[start : start + length]
            if file.readinto(block) != length:  # type: ignore[attr-defined]  # as every file on a disk can
                raise EOFError
            waiting.append(pool.submit(_digest, block))
            if len(waiting) > workers:
                blocks.update(waiting.popleft().result())
        for future in waiting:
            blocks.update(future.result())
    return blocks.hexdigest()


def _digest(block: memoryview) -> bytes:
    return hashlib.sha256(block).digest()


def _bytes(array: Array) -> memoryview:
    """A contiguous array as bytes."""
    return array.reshape(-1).view(np.uint8).data
