"""A folder of pictures with one sub-folder a class, perhaps under one folder a split.

faces/happiness/*.png, faces/sadness/*.png
faces/train/happiness/*.png, faces/test/happiness/*.png
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgefer.data.files import all_files, sub_folders
from edgefer.data.labels import own_classes
from edgefer.data.listing import Face, Listing
from edgefer.data.pictures import PictureFile
from edgefer_runtime.errors import DataError

SPLITS: Mapping[str, str] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""Folder name -> split."""


def recognises(path: Path) -> bool:
    """Any folder that has sub-folders."""
    return path.is_dir() and bool(sub_folders(path))


def read(path: Path) -> Listing:
    """The pictures under ``path``; every file that is not hidden has to be one.

    Where all folders are named as splits are, theirs are the classes.

    Raises:
        DataError: the folder has no class folders, or a class is empty.
    """
    folders = class_folders(path)
    by_split = all(folder.name.lower() in SPLITS for folder in folders) and all(map(sub_folders, folders))
    if by_split:
        folders = [child for folder in folders for child in sub_folders(folder)]
    classes = own_classes({folder.name for folder in folders})
    faces = [
        Face(PictureFile(file), classes[folder.name], SPLITS[folder.parent.name.lower()] if by_split else "")
        for folder in folders
        for file in _pictures(folder)
    ]
    return Listing(
        name="folder",
        path=path,
        layout="one sub-folder a class" + (", under one folder a split" if by_split else ""),
        classes=tuple(dict.fromkeys(classes.values())),
        faces=faces,
        splits=tuple(dict.fromkeys(face.split for face in faces)) if by_split else (),
    )


def class_folders(path: Path) -> list[Path]:
    """The sub-folders of ``path``.

    Raises:
        DataError: there are none.
    """
    if not path.is_dir():
        raise DataError(
            f"{path} is no folder" if path.exists() else f"{path} does not exist",
            expected="a folder with one sub-folder a class",
            action="name another folder",
        )
    if folders := sub_folders(path):
        return folders
    raise DataError(
        f"{path} has no sub-folders",
        expected="one sub-folder a class, with that class's pictures in it",
        action=f"sort the pictures into {path / 'happiness'}, {path / 'sadness'} and so on",
    )


def _pictures(folder: Path) -> list[Path]:
    if files := list(all_files(folder)):
        return files
    raise DataError(f"the class {folder} is empty", expected="pictures", action="fill or remove the folder")
