"""Is the folder the bundle its manifest says it is? Asked before any engine's library sees a file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypedDict

from edgefer_runtime.documents import parse_json
from edgefer_runtime.errors import DataError
from edgefer_runtime.files import copy_hashed
from edgefer_runtime.manifest import (
    AGAIN,
    CERTIFICATE,
    JSON_LIMIT_BYTES,
    MANIFEST,
    OWN_FILES,
    Manifest,
    parse_manifest,
)
from edgefer_runtime.tables import read_table


class CheckRow(TypedDict):
    """What is asked of each row of a certificate; it holds more."""

    name: str
    passed: bool


class Certificate(TypedDict, total=False):
    """What is asked of a certificate; it holds more."""

    schema: Literal["edgefer.certificate/1"]
    checks: tuple[CheckRow, ...]


def verify(folder: Path, shown: Path) -> tuple[Manifest, Mapping[str, Any]]:
    """The manifest and certificate of the bundle in ``folder``, once every file is as the manifest says.

    A file that the manifest does not list is refused: an engine's library opens what lies beside the engine
    by name (``model.bin``, the external data of an ONNX), and no sha256 or signature speaks of it.

    Args:
        folder: where the files lie.
        shown: the bundle as the user named it, for messages.

    Raises:
        DataError: a file is missing, altered, cut short, not listed, or a link that leaves the folder.
    """
    manifest = parse_manifest(read_small(folder, MANIFEST, shown), shown)
    if not manifest.files:
        raise _damaged(shown, "the manifest lists no engine file")
    listed = OWN_FILES | {file.path for file in manifest.files}
    if (stranger := next((name for name in files_in(folder) if name not in listed), None)) is not None:
        raise DataError(
            f"{shown}: {stranger} is not in the manifest",
            expected="a folder that holds the bundle's own files and no others",
            action="remove it if you know it; else copy or export the bundle again",
        )
    for file in manifest.files:
        size, sha256 = _hash(_resident(folder, file.path, shown))
        if size != file.bytes:
            raise _damaged(shown, f"{file.path} has {size} bytes, the manifest says {file.bytes}")
        if sha256 != file.sha256:
            raise _damaged(shown, f"{file.path} was altered: its sha256 is not the manifest's")
    if _hash(_resident(folder, CERTIFICATE, shown))[1] != manifest.certificate_sha256:
        raise _damaged(shown, f"{CERTIFICATE} was altered: its sha256 is not the manifest's")
    name = f"{shown}: {CERTIFICATE}"
    certificate = parse_json(read_small(folder, CERTIFICATE, shown), name, action=AGAIN)
    read_table(Certificate, certificate, name)
    return manifest, certificate


def files_in(folder: Path) -> Iterator[str]:
    """Paths inside ``folder`` of all that is no folder, with forward slashes; links are not followed."""
    for place, folders, files in os.walk(folder):
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        for name in sorted([*files, *links]):
            yield (Path(place) / name).relative_to(folder).as_posix()


def read_small(folder: Path, name: str, shown: Path) -> bytes:
    """The bytes of a JSON file of the bundle.

    Raises:
        DataError: it is missing or too large to be one.
    """
    with _resident(folder, name, shown).open("rb") as file:
        content = file.read(JSON_LIMIT_BYTES + 1)
    if len(content) > JSON_LIMIT_BYTES:
        raise _damaged(shown, f"{name} has more than {JSON_LIMIT_BYTES} bytes")
    return content


def _resident(folder: Path, name: str, shown: Path) -> Path:
    """The path of a file that really lies in ``folder``, links followed."""
    path = folder / name
    if not path.is_file():
        raise _damaged(shown, f"{name} is missing")
    if not path.resolve().is_relative_to(folder.resolve()):
        raise _damaged(shown, f"{name} is a link that leaves the bundle")
    return path


def _hash(path: Path) -> tuple[int, str]:
    with path.open("rb") as source:
        return copy_hashed(source)


def _damaged(shown: Path, found: str) -> DataError:
    return DataError(
        f"{shown}: {found}",
        expected="every file as it was when the bundle was written",
        action="copy or export the bundle again",
    )
