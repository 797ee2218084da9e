"""Loaders of published face sets, one module each; every one is a :class:`edgefer.data.listing.Loader`."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import cast

from edgefer.data.files import levels
from edgefer.data.listing import Loader, OwnLoader
from edgefer_runtime.errors import DataError

LOADERS = {
    **{name: name for name in ("ferplus", "rafdb", "affectnet", "ckplus", "kdef", "jaffe", "fer2013")},
    "csv": "csvfile",
    "folder": "folder",
}
"""Set -> module here; those that recognise their set by the rarest names come first."""


def loader(name: str) -> Loader:
    """The loader called ``name``."""
    return cast(Loader, import_module(f"{__name__}.{LOADERS[name]}"))


def own_loader(name: str) -> OwnLoader:
    """The loader of a user's own set, which takes names for its classes."""
    return cast(OwnLoader, import_module(f"{__name__}.{LOADERS[name]}"))


def recognise(path: Path) -> tuple[str, Path]:
    """The name of the loader that takes ``path`` for its own, or a folder alone in it, and which it is.

    Raises:
        DataError: nothing is there, or nothing that looks like a face set.
    """
    if not path.exists():
        raise DataError(
            f"{path} does not exist",
            expected="a folder with a face set",
            action="name another folder",
        )
    for level in levels(path):
        for name in LOADERS:
            if name != "folder" and loader(name).recognises(level):
                return name, level
    if loader("folder").recognises(path):
        return "folder", path
    raise DataError(
        f"{path} looks like no face set",
        expected="a published set as its publisher packs it, a csv file with columns path and label, "
        "or a folder with one sub-folder a class",
        action="`edgefer datasets` lists the sets; docs/data.md shows how each is laid out",
    )
