"""Face sets by name: what there is, and how a name becomes a :class:`~edgefer.data.faceset.FaceSet`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from edgefer_runtime.errors import DataError, UsageError

if TYPE_CHECKING:
    from edgefer.data.faceset import FaceSet

Progress = Callable[[int, int], None]
"""Called with (done, total)."""
NAME = re.compile(r"(?P<set>[a-z0-9_-]+):(?P<part>.+)")
SPLIT = re.compile(r"(?P<split>[a-z-]+)(\[:(?P<limit>\d+)\])?")


@dataclass(frozen=True)
class Dataset:
    """What is known of a face set without loading it.

    Attributes:
        name: the word before the colon.
        description: one sentence.
        splits: images in each named split; empty where the set has none of its own.
        licence: an SPDX name, or who decides.
        notice: provenance, and what the set is not good for.
    """

    name: str
    description: str
    licence: str
    notice: str
    splits: Mapping[str, int] = field(default_factory=dict)


DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            name="synthfer",
            description="rendered heads: 7 expressions, 5 yaws, studio and wild, 40 % of the wild covered",
            licence="CC0-1.0",
            notice="Rendered from MakeHuman/MPFB2 heads and Face Units by Mika Suominen, all CC0 1.0. "
            "Stylised faces: good for proving a pipeline, no evidence of accuracy on people.",
            splits={"train": 3920, "train-large": 21000, "val": 980, "test": 980, "eval": 3500},
        ),
        Dataset(
            name="folder",
            description="your own pictures: folder:PATH with one sub-folder a class",
            licence="yours",
            notice="Nothing leaves this machine.",
        ),
    )
}


def load(name: str, *, progress: Progress | None = None) -> FaceSet:
    """The face set called ``name``.

    Args:
        name: ``synthfer:SPLIT``, ``synthfer:SPLIT[:N]`` for the first N of the split's fixed, balanced
            order, or ``folder:PATH`` (or a plain path) for a folder with one sub-folder a class.
        progress: called with (done, total) faces while they are rendered or read.

    Raises:
        UsageError: no such set or split.
        DataError: the folder or cache is not what it should be, or the disk is full.
    """
    matched = NAME.fullmatch(name)
    if matched and matched["set"] == "folder":
        return _folder(Path(matched["part"]), progress)
    if matched and matched["set"] in DATASETS:
        return _synthfer(name, matched["part"], progress)
    if name in DATASETS:
        raise _unknown(f"the face set {name!r} without a split")
    if "/" in name or Path(name).exists():
        return _folder(Path(name), progress)
    raise _unknown(f"no face set called {name!r}")


def _folder(path: Path, progress: Progress | None) -> FaceSet:
    from edgefer.data.folder import load_folder

    return load_folder(path, progress=progress)


def _synthfer(name: str, part: str, progress: Progress | None) -> FaceSet:
    matched = SPLIT.fullmatch(part)
    if not matched or matched["split"] not in DATASETS["synthfer"].splits:
        raise _unknown(f"no split called {name!r}")
    limit = int(matched["limit"]) if matched["limit"] else None
    if limit == 0:
        raise DataError(f"{name} holds no faces", expected="a limit of at least 1")

    from edgefer.data.synthetic.cache import load_split

    return load_split(matched["split"], limit, progress=progress)


def _unknown(found: str) -> UsageError:
    names = [f"{dataset.name}:{split}" for dataset in DATASETS.values() for split in dataset.splits]
    return UsageError(
        found,
        expected=f"one of {', '.join(names)}, folder:PATH, or a path to a folder",
        action="`edgefer datasets` lists them; [:N] after a split takes its first N faces",
    )
