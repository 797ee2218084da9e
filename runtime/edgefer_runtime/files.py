"""Files written whole or not at all, hashed, and named so that they stay inside their folder."""

from __future__ import annotations

import hashlib
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO

from edgefer_runtime.errors import DataError

CHUNK_BYTES = 1 << 20


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path``; what is written there becomes ``path`` when the block ends well.

    When the block raises, Ctrl-C included, the temporary file is removed and ``path`` is as it was.

    Raises:
        DataError: the disk is full, the folder cannot be written to, or any other error of the file system.
    """
    temporary = sibling(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        # The parent may be a file, or the name too long: then there is nothing to remove either.
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """As :func:`replacing`, for a folder: an empty one beside ``path``, which takes its place."""
    temporary = sibling(path)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        _swap(temporary, path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _swap(folder: Path, destination: Path) -> None:
    """Give ``folder`` the name ``destination``; what had it is put aside first and removed last."""
    retired = sibling(destination)
    if destination.exists():
        destination.rename(retired)
    try:
        folder.rename(destination)
    except BaseException:
        if retired.exists():
            retired.rename(destination)
        raise
    shutil.rmtree(retired, ignore_errors=True)


def write_whole(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``, whole or not at all.

    Raises:
        DataError: as :func:`replacing`.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def require_writable(path: Path, *, folder: bool = False) -> None:
    """Try whether a file can be written at ``path``, or a folder filled, before the work for it begins.

    Something is really written, to the nearest folder that is there, and removed: what a file system
    refuses is not to be told from permissions alone. Nothing is made.

    Raises:
        DataError: it cannot.
    """
    try:
        if path.exists() and path.is_dir() != folder:
            raise DataError(
                f"{path}: cannot be written (a {'file' if folder else 'folder'} is there)",
                expected=f"the name of a {'folder' if folder else 'file'}",
                action="choose another name",
            )
        around = [path, *path.parents] if folder else path.parents
        with tempfile.TemporaryFile(dir=next(each for each in around if each.exists()), prefix=".edgefer-"):
            pass
    except OSError as error:
        raise unwritable(path, OSError(error.errno, error.strerror)) from error


def sibling(path: Path) -> Path:
    """An unused hidden name beside ``path``, on the same file system so that a rename is atomic."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}{path.suffix}")


def unwritable(path: Path, error: OSError) -> DataError:
    """The DataError that tells why ``path`` could not be written."""
    return DataError(
        f"{path}: cannot be written ({error})",
        expected="a writable folder with enough free space",
        action="free space or choose another folder; nothing half-written is left",
    )


def is_inside(name: str) -> bool:
    """Whether ``name`` is a plain relative path, with forward slashes, that stays inside its folder."""
    parts = PurePosixPath(name).parts
    return (
        bool(parts)
        and name == "/".join(parts)
        and not {"..", "/"} & {*parts}
        and "\\" not in name
        and not PureWindowsPath(name).drive
        and name.isprintable()
    )


def copy_hashed(source: BinaryIO, target: BinaryIO | None = None) -> tuple[int, str]:
    """Read ``source`` to its end, copy it to ``target`` if given; return its size and sha256 in hex."""
    digest, size = hashlib.sha256(), 0
    while chunk := source.read(CHUNK_BYTES):
        digest.update(chunk)
        size += len(chunk)
        if target is not None:
            target.write(chunk)
    return size, digest.hexdigest()
