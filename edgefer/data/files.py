"""Picture files in folders, and what lists say of them."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from edgefer.data.listing import Problems
from edgefer.data.pictures import PictureFile
from edgefer.data.tables import beside

SYSTEM_FILES = ("thumbs.db", "desktop.ini")
PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".gif")


def sub_folders(path: Path) -> list[Path]:
    """Folders in ``path`` in alphabetical order, hidden ones left out."""
    return sorted(child for child in path.iterdir() if child.is_dir() and not child.name.startswith("."))


def all_files(path: Path) -> Iterator[Path]:
    """Files under ``path`` in alphabetical order, without hidden ones and those a file manager makes."""
    for folder, children, names in os.walk(path):
        children[:] = sorted(name for name in children if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and name.lower() not in SYSTEM_FILES:
                yield Path(folder, name)


def picture_files(path: Path) -> Iterator[Path]:
    """Those of :func:`all_files` that are named as pictures are."""
    return (file for file in all_files(path) if file.suffix.lower() in PICTURE_ENDINGS)


def listed(folder: Path, name: str, problems: Problems) -> PictureFile | None:
    """The picture that a list calls ``name``; None, and a problem noted, where it is not in ``folder``."""
    path = beside(folder, name)
    if path is None:
        problems.refuse("listed names that lead out of the folder", name, "mend the list")
    elif not path.is_file():
        problems.refuse("listed files that are missing", str(path), "unpack the pictures again")
    else:
        return PictureFile(path)
    return None


def warn_of_unlisted(files: Iterable[Path], known: Collection[Path], problems: Problems) -> None:
    """Note files that no list names."""
    for file in files:
        if file not in known:
            problems.warn("files in no list", str(file), "they are not loaded")
