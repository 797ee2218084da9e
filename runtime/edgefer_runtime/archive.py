"""A bundle's zip: written byte for byte the same, and read with nothing about it believed."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

from edgefer_runtime.errors import DataError
from edgefer_runtime.files import CHUNK_BYTES, is_inside
from edgefer_runtime.manifest import (
    CERTIFICATE,
    JSON_LIMIT_BYTES,
    MANIFEST,
    OWN_FILES,
    parse_manifest,
)
from edgefer_runtime.zips import Entry, ZipError, read_directory, read_entry

TOTAL_LIMIT_BYTES = 2 << 30
ENTRY_LIMIT = 256
EPOCH = (1980, 1, 1, 0, 0, 0)


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
        with path.open("rb") as file:
            entries = _entries(read_directory(file, ENTRY_LIMIT))
            _compare(path, entries, file)
            for name, entry in entries.items():
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("xb") as sink:
                    for piece in read_entry(file, entry):
                        sink.write(piece)
    except ZipError as fault:
        raise _refusal(path, str(fault)) from fault


def _entries(found: Iterable[Entry]) -> dict[str, Entry]:
    """The archive's files by name, once every name and kind was found harmless."""
    entries: dict[str, Entry] = {}
    for entry in found:
        if not is_inside(entry.name.removesuffix("/")):
            raise ZipError(f"the entry {entry.name!r} would be written outside the bundle")
        if not entry.is_plain:
            raise ZipError(f"the entry {entry.name!r} is a link or a special file")
        if entry.name in entries:
            raise ZipError(f"two entries are called {entry.name!r}")
        if not entry.name.endswith("/"):
            entries[entry.name] = entry
    if (total := sum(entry.size for entry in entries.values())) > TOTAL_LIMIT_BYTES:
        raise ZipError(f"{total} bytes unpacked, more than {TOTAL_LIMIT_BYTES}")
    return entries


def _compare(path: Path, entries: Mapping[str, Entry], file: BinaryIO) -> None:
    """Raise unless the archive holds the files its manifest lists, in the sizes it states."""
    for name in (MANIFEST, CERTIFICATE):
        if name not in entries:
            raise ZipError(f"{name} is missing")
    for name in sorted(OWN_FILES & entries.keys()):
        if entries[name].size > JSON_LIMIT_BYTES:
            raise ZipError(f"{name} has {entries[name].size} bytes, more than {JSON_LIMIT_BYTES}")
    manifest = parse_manifest(b"".join(read_entry(file, entries[MANIFEST])), path)
    declared = {listed.path: listed.bytes for listed in manifest.files}
    for name in sorted(declared.keys() | entries.keys() - OWN_FILES):
        if name not in declared:
            raise ZipError(f"{name} is not in the manifest")
        if name not in entries:
            raise ZipError(f"{name} is missing")
        if entries[name].size != declared[name]:
            raise ZipError(f"{name} has {entries[name].size} bytes, the manifest says {declared[name]}")


def _refusal(path: Path, found: str) -> DataError:
    return DataError(
        f"{path}: {found}",
        expected="an .edgefer file as edgefer wrote it",
        action="copy or export the bundle again",
    )
