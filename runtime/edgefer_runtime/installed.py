"""Models that were installed as packages, as `edgefer pack` makes them: found by name."""

from __future__ import annotations

from pathlib import Path

from edgefer_runtime.errors import DataError, UsageError

GROUP = "edgefer.models"
"""Entry points: names of a model -> the package whose folder is its bundle."""


def find_installed(name: str) -> Path:
    """The folder of the bundle that is installed as ``name``; nothing in it is imported or read.

    A model has its full name, ``pattlite-openvino-int8``, and a short one without the target,
    ``pattlite-int8``, which engines for several targets may share.

    Raises:
        DataError: no model of that name is installed.
        UsageError: more than one is.
    """
    # Here, not above: it takes longer to import than all of this package, and a path never needs it.
    from importlib.metadata import entry_points

    entries = sorted(entry_points(group=GROUP), key=lambda entry: len(entry.name))
    full_names = {entry.value: entry.name for entry in entries}
    found = {
        entry.value: Path(str(entry.dist.locate_file(entry.module)))
        for entry in entries
        if entry.name == name and entry.dist
    }
    if not found:
        models = ", ".join(sorted(full_names.values())) or "none is installed here"
        raise DataError(
            f"{name}: no such bundle",
            expected=f"a bundle's folder, its .edgefer file, or the name of an installed model ({models})",
            action="name another, or install the model: pip install WHEEL",
        )
    if len(found) > 1:
        raise UsageError(
            f"{name}: {len(found)} installed models are called so",
            expected=f"one of {', '.join(sorted(full_names[value] for value in found))}",
            action="name the target as well, or uninstall the others",
        )
    return next(iter(found.values()))
