"""Face sets by name: what there is, and how a name becomes a :class:`~edgefer.data.faceset.FaceSet`."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from edgefer.data.catalogue import DATASETS, Dataset
from edgefer.data.progress import Progress
from edgefer_runtime.errors import DataError, UsageError
from edgefer_runtime.suggestions import did_you_mean

if TYPE_CHECKING:
    from edgefer.data.faceset import FaceSet
    from edgefer.data.listing import Listing

OWN_SETS = ("csv", "folder")
"""Sets whose classes are as their owner calls them."""
MEMORY_LIMIT_BYTES = 2 * 2**30
"""Decoded images beyond this many bytes stay in a file."""
NAME = re.compile(r"(?P<set>[a-z0-9_-]+):(?P<part>.+)")
log = logging.getLogger("edgefer.faces")
"""Tells what was understood of each set; commands show it to people."""
SPLIT = re.compile(r"(?P<split>[a-z-]+)(\[:(?P<limit>\d+)\])?")


class Place(NamedTuple):
    """A set in a folder that the user has: which set, where, and which split; empty for all."""

    dataset: Dataset
    path: Path
    split: str

    def address(self, split: str | None = None) -> str:
        """What to write for it, or for another of its splits, on the command line."""
        split = self.split if split is None else split
        bare = f"{self.dataset.name}:{self.path}" + (f"@{split}" if split else "")
        if not self.dataset.named:
            return bare
        from edgefer.data.classes import encoded

        return encoded(bare, self.dataset.named)


def load(
    name: str, *, progress: Progress | None = None, memory_limit_bytes: int = MEMORY_LIMIT_BYTES
) -> FaceSet:
    """The face set called ``name``.

    Args:
        name: ``synthfer:SPLIT``, ``synthfer:SPLIT[:N]`` for the first N of the split's fixed, balanced
            order, ``NAME:PATH`` or ``NAME:PATH@SPLIT`` for a set in a folder, or a plain path, whose set is
            recognised by its layout. ``?classes=WORD=CLASS,...`` behind it says what the folders or labels
            of a user's own set mean (:func:`edgefer.data.classes.with_classes`).
        progress: called with (done, total) faces while they are rendered or read.
        memory_limit_bytes: images of a set in a folder that take more are decoded into a file in the
            cache and stay there.

    Raises:
        UsageError: no such set or split.
        DataError: the folder or cache is not what it should be, or the disk is full.
    """
    place = find(name)
    if place is None:
        return _synthfer(name, progress)
    listing = list_faces(place)
    return load_part(place, listing, place.split, progress=progress, memory_limit_bytes=memory_limit_bytes)


def load_part(
    place: Place,
    listing: Listing,
    split: str,
    *,
    progress: Progress | None = None,
    memory_limit_bytes: int = MEMORY_LIMIT_BYTES,
) -> FaceSet:
    """One split of a set that is listed already, or all of it for the empty word; tells what it is.

    Raises:
        UsageError: no such split.
        DataError: the set is not what it should be.
    """
    from edgefer.data.understood import departures, summary

    listing.require_sound()
    part = listing.of_split(split)
    # The classes' names are in no face set's name: they are in its classes.
    faces = face_set(
        part,
        f"{place.dataset.name}:{place.path}" + (f"@{split}" if split else ""),
        progress=progress,
        memory_limit_bytes=memory_limit_bytes,
    )
    log.info(summary(part, faces.name, faces.images.shape))
    for departure in departures(part, place.dataset):
        log.warning(f"{faces.name}: {departure}")
    return faces


def face_set(
    listing: Listing,
    name: str,
    *,
    progress: Progress | None = None,
    memory_limit_bytes: int = MEMORY_LIMIT_BYTES,
) -> FaceSet:
    """The listed faces with their pictures.

    Raises:
        DataError: there are none, or a picture cannot be read.
    """
    import numpy as np

    from edgefer.data.decode import decode
    from edgefer.data.faceset import FaceSet

    listing.require_sound()
    votes = [face.votes for face in listing.faces]
    return FaceSet(
        name=name,
        images=decode(
            [face.picture for face in listing.faces],
            listing.name,
            memory_limit_bytes=memory_limit_bytes,
            progress=progress,
        ),
        labels=listing.labels(),
        classes=listing.classes,
        attributes=listing.attributes(),
        votes=None if None in votes else np.array(votes, np.float32),
        names=np.array([face.picture.name for face in listing.faces], object),
    )


def find(name: str) -> Place | None:
    """Which set in a folder ``name`` means; None for SynthFER, which is in no folder.

    Raises:
        UsageError: no such set.
        DataError: a plain path that nothing is at, or nothing that looks like a face set.
    """
    from edgefer.data.classes import MARK, without_classes

    if MARK in name:
        name, named = without_classes(name)
        place = find(name)
        if place is None or place.dataset.name not in OWN_SETS:
            raise UsageError(
                f"names for the classes of {name}",
                expected=f"--classes with {' or '.join(f'{own}:PATH' for own in OWN_SETS)}: published sets "
                "name their own",
                action="leave --classes out",
            )
        return place._replace(dataset=replace(place.dataset, named=named))
    matched = NAME.fullmatch(name)
    if matched and matched["set"] in DATASETS:
        dataset, part = DATASETS[matched["set"]], matched["part"]
        return Place(dataset, *_path_and_split(part)) if dataset.in_folder else None
    if name in DATASETS:
        raise _unknown(
            f"the face set {name!r} without a {'path' if DATASETS[name].in_folder else 'split'}", name
        )
    if "/" in name or Path(name).exists():
        from edgefer.data.sets import recognise

        path, split = _path_and_split(name)
        recognised, path = recognise(path)
        return Place(DATASETS[recognised], path, split)
    raise _unknown(f"no face set called {name!r}", name)


def list_faces(place: Place) -> Listing:
    """All faces of a set in a folder, of every split, with the set's problems; no picture is decoded.

    Raises:
        DataError: the folder does not hold the set, or one of its lists cannot be read at all.
    """
    from edgefer.data.files import levels
    from edgefer.data.sets import loader, own_loader
    from edgefer.data.subsets import join

    if place.dataset.name in OWN_SETS:
        return own_loader(place.dataset.name).read(place.path, place.dataset.named)
    published = loader(place.dataset.loader or place.dataset.name)
    # An archive's own folder around the set is gone through, as it is for a plain path.
    path = next(
        (level for level in levels(place.path) if level.exists() and published.recognises(level)), None
    )
    listing = join(published.read(path or place.path))
    return listing.only(place.dataset.classes) if place.dataset.classes else listing


def _path_and_split(part: str) -> tuple[Path, str]:
    """``PATH@SPLIT`` taken apart; an @ that belongs to a path is left in it."""
    path, mark, split = part.rpartition("@")
    if mark and path and re.fullmatch(r"[\w-]+", split) and not Path(part).exists():
        return Path(path).expanduser(), split
    return Path(part).expanduser(), ""


def parse_split(name: str) -> tuple[str, int | None]:
    """The split of SynthFER that ``synthfer:SPLIT[:N]`` means, and N; None for all of it.

    Raises:
        UsageError: no such split.
        DataError: N is 0.
    """
    matched = SPLIT.fullmatch(name.partition(":")[2])
    if not matched or matched["split"] not in DATASETS["synthfer"].splits:
        raise _unknown(f"no split called {name!r}", name)
    limit = int(matched["limit"]) if matched["limit"] else None
    if limit == 0:
        raise DataError(f"{name} holds no faces", expected="a limit of at least 1")
    return matched["split"], limit


def _synthfer(name: str, progress: Progress | None) -> FaceSet:
    split, limit = parse_split(name)
    from edgefer.data.synthetic.cache import load_split

    return load_split(split, limit, progress=progress)


def _unknown(found: str, name: str) -> UsageError:
    rendered = [f"synthfer:{split}" for split in DATASETS["synthfer"].splits]
    in_folders = [f"{name}:PATH" for name, dataset in DATASETS.items() if dataset.in_folder]
    known = [*rendered, *(f"{each}:" for each in DATASETS if DATASETS[each].in_folder)]
    hint = did_you_mean(name if name.startswith("synthfer:") else name.partition(":")[0] + ":", known)
    return UsageError(
        found,
        expected=f"one of {', '.join(rendered + in_folders)}, or a path to a folder",
        action=f"{hint}{' ' if hint else ''}`edgefer datasets` lists them; [:N] after a split of synthfer "
        "takes its first N faces, @SPLIT after a path one split",
    )
