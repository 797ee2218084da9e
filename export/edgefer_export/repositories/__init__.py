"""Model repositories: bundles laid out as an inference server expects them.

Next to each model lie its bundle's manifest (classes, licence, provenance, hashes), certificate and
signature: what a model may be used for, and what it was held against, goes where the model goes.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgefer_export.repositories.base import LABELS, VERSION, Server
from edgefer_export.repositories.ovms import SERVER as OVMS
from edgefer_export.repositories.triton import SERVER as TRITON
from edgefer_runtime.bundle import Bundle
from edgefer_runtime.errors import DataError, UsageError
from edgefer_runtime.files import replacing_folder
from edgefer_runtime.manifest import OWN_FILES
from edgefer_runtime.suggestions import unknown

__all__ = ["SERVERS", "Repository", "require_served", "write_repository"]

SERVERS: Mapping[str, Server] = {server.name: server for server in (TRITON, OVMS)}


@dataclass(frozen=True)
class Repository:
    """A repository that was written.

    Attributes:
        folder: where.
        models: names of the models in it.
        notes: bundles that were left out, and what a server may do otherwise than a bundle says.
    """

    folder: Path
    models: tuple[str, ...]
    notes: tuple[str, ...]


def require_served(name: str, targets: Sequence[str]) -> None:
    """Raise unless the server called ``name`` runs engines of at least one of ``targets``.

    Raises:
        UsageError: it does not, or there is no such server.
    """
    if name not in SERVERS:
        raise unknown("format", name, SERVERS)
    server = SERVERS[name]
    if not {*server.targets} & {*targets}:
        raise UsageError(
            f"{server.title} for {', '.join(targets)}",
            expected=f"one of --target {', '.join(server.targets)}",
        )


def write_repository(name: str, bundles: Sequence[Bundle], folder: Path) -> Repository:
    """Write a repository for the server called ``name``, whole or not at all.

    Args:
        name: one of :data:`SERVERS`.
        bundles: what to serve; those that the server cannot run are left out and noted.
        folder: the repository; one that was written there before is replaced.

    Raises:
        DataError: ``folder`` holds something else, or cannot be written.
        UsageError: none of ``bundles`` can be served.
    """
    server = SERVERS[name]
    served: dict[str, Bundle] = {}
    notes = []
    for bundle in bundles:
        model, refusal = bundle.manifest.name, _refusal(server, bundle)
        if refusal:
            notes.append(f"{model} is left out: {refusal}")
        else:
            served[model] = bundle
            notes += [f"{model}: {caution}"] if (caution := server.caution(bundle)) else []
    if not served:
        raise UsageError(
            f"nothing for {server.title} to serve: {'; '.join(notes)}",
            expected=f"a bundle for {', '.join(server.targets)}",
        )
    if strangers := _strangers(folder):
        raise DataError(
            f"{folder}: exists and holds {strangers[0]}, which is no part of a repository",
            expected="a repository that edgefer wrote, or an unused name",
            action="move it away, or choose another output folder",
        )
    with replacing_folder(folder) as draft:
        for model, bundle in served.items():
            _write_model(server, bundle, draft / server.models / model)
        for path, text in server.configuration(served).items():
            (draft / path).write_text(text, encoding="utf-8")
    return Repository(folder, tuple(served), tuple(notes))


def _refusal(server: Server, bundle: Bundle) -> str | None:
    if bundle.manifest.target not in server.targets:
        return f"{server.title} does not run {bundle.manifest.target}"
    return server.refusal(bundle)


def _write_model(server: Server, bundle: Bundle, folder: Path) -> None:
    for name, path in server.files(bundle).items():
        target = folder / VERSION / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(bundle.folder / path, target)
    for name in OWN_FILES:
        if (bundle.folder / name).exists():
            shutil.copyfile(bundle.folder / name, folder / name)
    (folder / LABELS).write_text("".join(f"{name}\n" for name in bundle.manifest.classes), encoding="utf-8")


def _strangers(folder: Path) -> list[str]:
    """What lies at ``folder`` and no server's repository would hold."""
    if not folder.is_dir():
        return [folder.name] if folder.exists() else []
    ours = {*OWN_FILES, LABELS, "config.pbtxt", "config.json"}
    files = (path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir())
    return sorted(str(path) for path in files if path.name not in ours and path.parent.name != VERSION)
