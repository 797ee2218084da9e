"""A bundle's zip: written byte for byte the same, and read with nothing about it believed."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from edgefer_runtime.errors import DataError
from edgefer_runtime.files import CHUNK_BYTES, is_inside
from edgefer_runtime.manifest import (
    CERTIFICATE,
    JSON_LIMIT_BYTES,
    MANIFEST,
    OWN_FILES,
    parse_manifest,
)

TOTAL_LIMIT_BYTES = 2 << 30
ENTRY_LIMIT = 256
EPOCH = (1980, 1, 1, 0, 0, 0)
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)
"""What zipfile raises on damaged, unsupported and encrypted archives."""


def pack(folder: Path, names: Iterable[str], out: Path) -> None:
    """Write the files ``names`` of ``folder`` to the zip ``out``, in that order, stored, without dates."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name in names:
            info = zipfile.ZipInfo(name, EPOCH)
            info.create_system, info.external_attr = 3, (stat.S_IFREG | 0o644) << 16
            info.file_size = (folder / name).stat().st_size
            with (folder / name).open("rb") as source, archive.open(info, "w") as target:
                while chunk := source.read(CHUNK_BYTES):
                    target.write(chunk)


def extract(path: Path, folder: Path) -> None:
    """Extract the bundle's zip at ``path`` into the empty ``folder``.

    Before anything is written, every name must stay inside the folder and be a plain file's, and the
    sizes in the zip's directory must be those the manifest declares.

    Raises:
        DataError: an unsafe, damaged, incomplete or absurdly large archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = _entries(path, archive)
            _compare(path, entries, archive)
            for name, entry in entries.items():
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(entry) as source, target.open("wb") as sink:
                    while chunk := source.read(CHUNK_BYTES):
                        sink.write(chunk)
    except UNREADABLE as error:
        raise _refusal(path, f"damaged zip ({error})") from error


def _entries(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The archive's files by name, once every name and kind was found harmless."""
    entries: dict[str, zipfile.ZipInfo] = {}
    for entry in archive.infolist():
        # zipfile cuts a name at a NUL byte, so the original is what must be looked at
        if not is_inside(entry.orig_filename.removesuffix("/")):
            raise _refusal(path, f"the entry {entry.orig_filename!r} would be written outside the bundle")
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _refusal(path, f"the entry {entry.filename!r} is a link or a special file")
        if entry.is_dir():
            continue
        if entry.filename in entries:
            raise _refusal(path, f"two entries are called {entry.filename!r}")
        entries[entry.filename] = entry
    if len(entries) > ENTRY_LIMIT:
        raise _refusal(path, f"{len(entries)} entries, more than {ENTRY_LIMIT}")
    if (total := sum(entry.file_size for entry in entries.values())) > TOTAL_LIMIT_BYTES:
        raise _refusal(path, f"{total} bytes unpacked, more than {TOTAL_LIMIT_BYTES}")
    return entries


def _compare(path: Path, entries: Mapping[str, zipfile.ZipInfo], archive: zipfile.ZipFile) -> None:
    """Raise unless the archive holds the files its manifest lists, in the sizes it states."""
    for name in (MANIFEST, CERTIFICATE):
        if name not in entries:
            raise _refusal(path, f"{name} is missing")
    for name in sorted(OWN_FILES & entries.keys()):
        if entries[name].file_size > JSON_LIMIT_BYTES:
            raise _refusal(path, f"{name} has {entries[name].file_size} bytes, more than {JSON_LIMIT_BYTES}")
    declared = {file.path: file.bytes for file in parse_manifest(archive.read(MANIFEST), path).files}
    for name in sorted(declared.keys() | entries.keys() - OWN_FILES):
        if name not in declared:
            raise _refusal(path, f"{name} is not in the manifest")
        if name not in entries:
            raise _refusal(path, f"{name} is missing")
        if entries[name].file_size != declared[name]:
            raise _refusal(
                path, f"{name} has {entries[name].file_size} bytes, the manifest says {declared[name]}"
            )


def _refusal(path: Path, found: str) -> DataError:
    return DataError(
        f"{path}: {found}",
        expected="an .edgefer file as edgefer wrote it",
        action="copy or export the bundle again",
    )
