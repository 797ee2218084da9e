"""Is the folder the bundle its manifest says it is? Asked before any engine's library sees a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgefer_runtime.errors import DataError
from edgefer_runtime.files import copy_hashed
from edgefer_runtime.manifest import (
    CERTIFICATE,
    JSON_LIMIT_BYTES,
    MANIFEST,
    Manifest,
    parse_json,
    parse_manifest,
)


def verify(folder: Path, shown: Path) -> tuple[Manifest, Mapping[str, Any]]:
    """The manifest and certificate of the bundle in ``folder``, once every file is as the manifest says.

    Args:
        folder: where the files lie.
        shown: the bundle as the user named it, for messages.

    Raises:
        DataError: a file is missing, altered, cut short, or a link that leaves the folder.
    """
    manifest = parse_manifest(read_small(folder, MANIFEST, shown), shown)
    if not manifest.files:
        raise _damaged(shown, "the manifest lists no engine file")
    for file in manifest.files:
        size, sha256 = _hash(_resident(folder, file.path, shown))
        if size != file.bytes:
            raise _damaged(shown, f"{file.path} has {size} bytes, the manifest says {file.bytes}")
        if sha256 != file.sha256:
            raise _damaged(shown, f"{file.path} was altered: its sha256 is not the manifest's")
    if _hash(_resident(folder, CERTIFICATE, shown))[1] != manifest.certificate_sha256:
        raise _damaged(shown, f"{CERTIFICATE} was altered: its sha256 is not the manifest's")
    certificate = parse_json(read_small(folder, CERTIFICATE, shown), f"{shown}: {CERTIFICATE}")
    if not isinstance(certificate, Mapping):
        raise _damaged(shown, f"{CERTIFICATE} holds no JSON object")
    return manifest, certificate


def read_small(folder: Path, name: str, shown: Path) -> bytes:
    """The bytes of a JSON file of the bundle.

    Raises:
        DataError: it is missing or too large to be one.
    """
    path = _resident(folder, name, shown)
    if (size := path.stat().st_size) > JSON_LIMIT_BYTES:
        raise _damaged(shown, f"{name} has {size} bytes, more than {JSON_LIMIT_BYTES}")
    return path.read_bytes()


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
