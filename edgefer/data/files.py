"""Picture files in folders, and what lists say of them."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from edgefer.data.listing import Problems
from edgefer.data.pictures import PictureFile
from edgefer.data.splits import like_a_split
from edgefer.data.tables import beside

SYSTEM_FILES = ("thumbs.db", "desktop.ini")
SYSTEM_FOLDERS = (
    "__macosx",
    "@eadir",
    "$recycle.bin",
    "lost+found",
    "__pycache__",
    "system volume information",
)
"""What archives, file managers and Python leave in folders."""
PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".gif")


def sub_folders(path: Path) -> list[Path]:
    """Folders in ``path`` in alphabetical order, without hidden ones, those of :data:`SYSTEM_FOLDERS`, and
    links to a folder that ``path`` is in."""
    return sorted(
        child for child in path.iterdir() if child.is_dir() and _is_own(child.name) and not _loops(child)
    )


def all_files(path: Path) -> Iterator[Path]:
    """Files under ``path`` in alphabetical order, without hidden ones and those a file manager makes."""
    for folder, children, names in os.walk(path):
        children[:] = sorted(name for name in children if _is_own(name))
        for name in sorted(names):
            if not name.startswith(".") and name.lower() not in SYSTEM_FILES:
                yield Path(folder, name)


def picture_files(path: Path) -> Iterator[Path]:
    """Those of :func:`all_files` that are named as pictures are."""
    return (file for file in all_files(path) if file.suffix.lower() in PICTURE_ENDINGS)


def is_picture(file: Path) -> bool:
    """Whether a file is named as pictures are or, under another name, begins as one."""
    if file.suffix.lower() in PICTURE_ENDINGS:
        return True
    from PIL import Image

    try:
        with Image.open(file):
            return True
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False


def holds_pictures(folder: Path) -> bool:
    """Whether pictures lie in ``folder`` itself."""
    with os.scandir(folder) as entries:
        return any(
            entry.name.lower().endswith(PICTURE_ENDINGS) and not entry.name.startswith(".")
            for entry in entries
        )


def unwrapped(path: Path) -> Path:
    """The folder that the set is in: ``path``, or what the folders around it hold.

    A folder is around the set when it holds one folder, which holds folders itself, and no pictures. One
    named as a split is belongs to the set.
    """
    while not holds_pictures(path) and len(inner := sub_folders(path)) == 1:
        if like_a_split(inner[0].name) or holds_pictures(inner[0]) or not sub_folders(inner[0]):
            break
        path = inner[0]
    return path


def levels(path: Path) -> Iterator[Path]:
    """``path``, and the folders in it as long as there is but one and no pictures lie beside it."""
    yield path
    while path.is_dir() and not holds_pictures(path) and len(inner := sub_folders(path)) == 1:
        path = inner[0]
        yield path


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


def _is_own(name: str) -> bool:
    return not name.startswith(".") and name.lower() not in SYSTEM_FOLDERS


def _loops(folder: Path) -> bool:
    """Whether a link leads back to a folder that it is in."""
    return folder.is_symlink() and folder.parent.resolve().is_relative_to(folder.resolve())
