"""A folder of pictures with one sub-folder a class, perhaps under one folder a split.

    faces/happiness/*.png, faces/sadness/*.png
    faces/train/happiness/*.png, faces/test/happiness/*.png

An archive's own folder around it is gone through. What the folders are is decided by their names and by
where pictures lie; where neither tells, the set is refused with the folders to rename.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from edgefer.data.files import all_files, holds_pictures, is_picture, sub_folders, unwrapped
from edgefer.data.labels import meaning, own_classes
from edgefer.data.listing import Face, Listing, Problems
from edgefer.data.pictures import PictureFile
from edgefer.data.splits import SPLITS as SPLITS
from edgefer.data.splits import like_a_split, split_of
from edgefer_runtime.errors import DataError

NEITHER = "are neither splits nor classes"


class ClassFolder(NamedTuple):
    """A folder of one class's pictures, and the split that it is in; empty for none."""

    path: Path
    split: str = ""


def recognises(path: Path) -> bool:
    """Any folder that has sub-folders."""
    return path.is_dir() and bool(sub_folders(path))


def read(path: Path, named: Mapping[str, str] | None = None) -> Listing:
    """The pictures under ``path``.

    Where all folders are named as splits are, theirs are the classes.

    Args:
        path: of the set, or of a folder around it.
        named: what folders mean, as ``--classes`` says: name -> class.

    Raises:
        DataError: it has no class folders, or its folders are no classes and no splits.
        UsageError: ``named`` names folders that are not there.
    """
    root = unwrapped(path) if path.is_dir() else path
    problems = Problems()
    folders = class_folders(root, named or {})
    by_name: dict[str, list[ClassFolder]] = {}
    for folder in folders:
        by_name.setdefault(folder.path.name, []).append(folder)
    classes = own_classes(by_name, named, problems, lambda name: str(by_name[name][0].path))
    faces, left_out = [], 0
    for folder in folders:
        pictures = [*_pictures(folder.path, problems)]
        if label := classes[folder.path.name]:
            faces += [Face(PictureFile(file), label, folder.split) for file in pictures]
        else:
            left_out += len(pictures)
    for name in {*classes.values()} - {face.label for face in faces} - {""}:
        empty = [folder for folder in folders if classes[folder.path.name] == name]
        problems.refuse("classes without a picture", str(empty[0].path), "fill or remove the folder")
    for file in root.iterdir():
        if file.is_file() and not file.name.startswith(".") and is_picture(file):
            problems.warn("pictures outside the class folders", str(file), "they are not loaded")
    splits = tuple(dict.fromkeys(folder.split for folder in folders if folder.split))
    inner = f", in {root.relative_to(path)}" if root != path else ""
    return Listing(
        name="folder",
        path=path,
        layout="one sub-folder a class" + (", under one folder a split" if splits else "") + inner,
        classes=tuple(dict.fromkeys(filter(None, classes.values()))),
        faces=faces,
        splits=splits,
        left_out={"pictures whose class --classes leaves out": left_out},
        problems=problems,
        words=classes,
    )


def class_folders(root: Path, named: Mapping[str, str]) -> list[ClassFolder]:
    """The folders of classes, under their splits' where there are such.

    Raises:
        DataError: there are none; some folders are splits and others are not; or what is in them are again
            the same folders, which are then the classes, and the ones above them neither class nor split.
    """
    if not root.is_dir():
        raise DataError(
            f"{root} is no folder" if root.exists() else f"{root} does not exist",
            expected="a folder with one sub-folder a class",
            action="name another folder",
        )
    folders = sub_folders(root)
    if not folders:
        raise DataError(
            f"{root} has no sub-folders",
            expected="one sub-folder a class, with that class's pictures in it",
            action=f"sort the pictures into {root / 'happiness'}, {root / 'sadness'} and so on",
        )
    asked = {name.casefold() for name in named}
    parts = [
        folder for folder in folders if like_a_split(folder.name) and folder.name.casefold() not in asked
    ]
    if not parts:
        _refuse_groups(root, [folder for folder in folders if folder.name.casefold() not in asked])
        return [ClassFolder(folder) for folder in folders]
    strangers = [folder for folder in folders if not split_of(folder.name) or folder not in parts]
    if strangers:
        _refuse_strangers(root, parts, strangers)
    found = []
    for part in parts:
        inner = sub_folders(part)
        if not inner or (holds_pictures(part) and not any(map(_filled, inner))):
            raise DataError(
                f"{part} is named as a split is and has no class folders in it",
                expected=f"{part / 'happiness'}, {part / 'sadness'} and so on",
                action=f"sort its pictures into classes, or move {part} out of {root}",
            )
        split = split_of(part.name)
        if nested := [folder for folder in inner if like_a_split(folder.name)]:
            raise _neither(part, nested, "splits within a split")
        _refuse_groups(part, inner)
        found += [ClassFolder(folder, split) for folder in inner]
    return found


def _refuse_strangers(root: Path, parts: Sequence[Path], strangers: Sequence[Path]) -> None:
    """Folders beside splits that are none; or splits without a purpose, such as extra and fold1.

    Raises:
        DataError: always.
    """
    known = [folder for folder in parts if split_of(folder.name)]
    alone = len(strangers) == 1
    raise DataError(
        f"{_named(strangers)} in {root} {'is neither a split nor a class' if alone else NEITHER}"
        + (f" (its splits are {_named(known)})" if known else ""),
        expected="one folder a split (train, val, test) with the classes in each, or one folder a class",
        action=f"rename {_named(strangers)} to train, val or test, or move it out; or name one "
        f"part alone, folder:{(known or parts)[0]}",
    )


def _refuse_groups(root: Path, folders: Sequence[Path]) -> None:
    """Folders that hold the class folders, and are no splits: people, sites, or an archive's parts.

    Raises:
        DataError: there are such.
    """
    inside = {folder: [child.name for child in sub_folders(folder)] for folder in folders}
    inside = {folder: names for folder, names in inside.items() if names and not holds_pictures(folder)}
    strange = [folder for folder in inside if not meaning(folder.name)]
    groups = [folder for folder in strange if any(map(meaning, inside[folder]))]
    seen: dict[str, int] = {}
    for name in (name for folder in strange for name in inside[folder]):
        seen[name] = seen.get(name, 0) + 1
    groups = groups or [folder for folder in strange if sum(seen[name] > 1 for name in inside[folder]) > 1]
    if not groups:  # Folders of nothing but numbers in each are classes under something, too.
        groups = [folder for folder in strange if _counted(inside[folder])]
    if groups:
        raise _neither(root, groups, f"what is in {groups[0].name}: {_listed(inside[groups[0]])}")


def _neither(root: Path, folders: Sequence[Path], why: str) -> DataError:
    return DataError(
        f"{_named(folders)} in {root} {'is' if len(folders) == 1 else 'are'} neither class nor split ({why})",
        expected="one folder a split (train, val, test) with the classes in each, or one folder a class",
        action=f"name one of them, folder:{folders[0]}; rename them to train, val and test; or, where they "
        "are people, list the pictures in a csv file with the columns path, label and subject",
    )


def _counted(names: Sequence[str]) -> bool:
    return len(names) > 1 and all(name.isdecimal() for name in names)


def _filled(folder: Path) -> bool:
    return next((file for file in all_files(folder) if is_picture(file)), None) is not None


def _named(folders: Sequence[Path]) -> str:
    return _listed([folder.name for folder in folders])


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _pictures(folder: Path, problems: Problems) -> Iterable[Path]:
    for file in all_files(folder):
        if is_picture(file):
            yield file
        else:
            problems.warn("files that are no pictures", str(file), "they are not loaded")
