"""The bundle: a folder, or one ``.edgefer`` zip, that holds an engine and all that is known about it.

manifest.json      what it is, with the size and sha256 of every other file
certificate.json   the checks its export went through and what they measured
signature.json     of a signed bundle: a signature over manifest.json, which the runtime carries along
engine files       opened only after size and sha256 were found right
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import weakref
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgefer_runtime.archive import extract, pack
from edgefer_runtime.closing import Closing
from edgefer_runtime.errors import DataError
from edgefer_runtime.files import copy_hashed, is_inside, replacing, replacing_folder
from edgefer_runtime.installed import find_installed
from edgefer_runtime.manifest import (
    CERTIFICATE,
    MANIFEST,
    OWN_FILES,
    SIGNATURE,
    EngineFile,
    Manifest,
    format_json,
    parse_manifest,
)
from edgefer_runtime.verification import files_in, read_small, verify

__all__ = ["Bundle", "EngineFile", "Manifest", "Sign", "pack_zip", "write_bundle"]

Sign = Callable[[bytes], Mapping[str, Any]]
"""From the bytes of ``manifest.json`` to what ``signature.json`` holds."""


class Bundle(Closing):
    """A verified bundle; made by :meth:`open`. A context manager: leaving it closes it.

    Attributes:
        path: the folder or zip as it was named; of an installed model, its package's folder.
        folder: where the files lie: ``path`` itself, or a private folder that goes with this object.
        manifest: what the engine is.
        certificate: the checks, as JSON.
    """

    def __init__(self, path: Path, folder: Path, manifest: Manifest, certificate: Mapping[str, Any]) -> None:
        self.path, self.folder = path, folder
        self.manifest, self.certificate = manifest, certificate
        if folder != path:
            self._cleanup = weakref.finalize(self, _remove, folder, os.getpid())

    @classmethod
    def open(cls, path: str | Path) -> Bundle:
        """Open and verify the bundle at ``path``, a folder or a zip, or the installed model of that name.

        Schema, sizes and sha256 of every file are checked before an engine file is parsed; of a zip,
        names and sizes before anything is written.

        Raises:
            DataError: no bundle, or one that is damaged, altered, incomplete or unsafe.
            UsageError: a name that several installed models share.
        """
        name, path = str(path), Path(path)
        try:
            if not path.exists():
                path = find_installed(name)
            if path.is_dir():
                return cls(path, path, *verify(path, path))
            if path.is_file() and zipfile.is_zipfile(path):
                return cls._open_zip(path)
        except OSError as error:
            raise DataError(
                f"{path}: cannot be read ({error.strerror or error})",
                expected="a readable bundle, and for a zip room for it in the temporary folder",
                action="check permissions and free space",
            ) from error
        raise DataError(
            f"{path}: not a bundle, or cut short",
            expected="a folder with manifest.json, or an .edgefer file written by edgefer",
            action="name another, or copy the whole file again",
        )

    @classmethod
    def _open_zip(cls, path: Path) -> Bundle:
        folder = Path(tempfile.mkdtemp(prefix="edgefer-"))
        try:
            extract(path, folder)
            return cls(path, folder, *verify(folder, path))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    @property
    def entry(self) -> Path:
        """The file the engine is opened from."""
        return self.folder / self.manifest.entry

    @property
    def names(self) -> tuple[str, ...]:
        """Paths of all its files inside the bundle, the manifest first."""
        own = [MANIFEST, CERTIFICATE, *([SIGNATURE] if self.signed else [])]
        return (*own, *(file.path for file in self.manifest.files))

    @property
    def size_bytes(self) -> int:
        """What the engine's files take on disk."""
        return self.manifest.size_bytes

    @property
    def signed(self) -> bool:
        """Whether it holds a signature; whose, and whether it stands, is for `edgefer check` to tell."""
        return (self.folder / SIGNATURE).is_file()

    def close(self) -> None:
        """Remove the private folder of a zip; a bundle that is a folder has nothing to close."""
        if self.folder != self.path:
            self._cleanup()

    def __repr__(self) -> str:
        manifest = self.manifest
        return f"Bundle({str(self.path)!r}: {manifest.model} {manifest.target}-{manifest.precision})"


def _remove(folder: Path, process: int) -> None:
    # A forked process ends with copies of its parent's objects, and the folder is the parent's.
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)


def write_bundle(
    destination: Path,
    manifest: Manifest,
    files: Mapping[str, Path],
    certificate: Mapping[str, Any],
    sign: Sign | None = None,
) -> Bundle:
    """Write a bundle as a folder, whole or not at all.

    Args:
        destination: the folder; a bundle that is there is replaced, anything else is refused.
        manifest: what the engine is; ``files`` and ``certificate_sha256`` are filled in here.
        files: the engine's files, by path inside the bundle; ``manifest.entry`` is one of them.
        certificate: the checks, as JSON.
        sign: signs the manifest; without it the bundle has no signature, whatever was replaced.

    Returns:
        The bundle, opened from ``destination`` and verified.

    Raises:
        DataError: ``destination`` holds something else or cannot be written: its disk is full.
    """
    destination = Path(destination)
    if manifest.entry not in files:
        raise ValueError(f"the entry {manifest.entry!r} is not among the files {sorted(files)}")
    if strangers := _strangers(destination):
        raise DataError(
            f"{destination}: exists and holds {strangers[0]}, which is no part of a bundle",
            expected="a bundle to replace, or an unused name",
            action="choose another name, or remove it yourself",
        )
    with replacing_folder(destination) as draft:
        text = format_json(certificate)
        sealed = replace(
            manifest,
            files=tuple(_copy(files[name], draft, name) for name in sorted(files)),
            certificate_sha256=hashlib.sha256(text).hexdigest(),
        )
        (draft / CERTIFICATE).write_bytes(text)
        signed = format_json(sealed.to_json())
        (draft / MANIFEST).write_bytes(signed)
        if sign is not None:
            (draft / SIGNATURE).write_bytes(format_json(sign(signed)))
    return Bundle.open(destination)


def pack_zip(bundle: Bundle, out: Path) -> Path:
    """Write ``bundle`` as one ``.edgefer`` file: the same bytes for the same bundle.

    Raises:
        DataError: ``out`` cannot be written.
    """
    with replacing(Path(out)) as temporary:
        pack(bundle.folder, bundle.names, temporary)
    return Path(out)


def _copy(source: Path, folder: Path, name: str) -> EngineFile:
    if not is_inside(name) or name in OWN_FILES:
        raise ValueError(f"{name!r} cannot be an engine file's path in a bundle")
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as reader, target.open("xb") as writer:
        return EngineFile(name, *copy_hashed(reader, writer))


def _strangers(destination: Path) -> list[str]:
    """What lies at ``destination`` and belongs to no bundle there."""
    if not destination.is_dir():
        return [destination.name] if destination.exists() or destination.is_symlink() else []
    present = {*files_in(destination)}
    try:
        listed = parse_manifest(read_small(destination, MANIFEST, destination), destination).files
    except DataError:
        return sorted(present)
    return sorted(present - OWN_FILES - {file.path for file in listed})
