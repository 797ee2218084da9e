"""A face set in a folder, to train on: which of its splits do what, and whether it can be trained on."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass

from edgefer.data.faceset import FaceSet
from edgefer.data.listing import Listing
from edgefer.data.registry import OWN_SETS, Place, list_faces, load_part
from edgefer.data.shapes import mostly_no_crops
from edgefer.data.understood import require_whole
from edgefer.pipeline import Report, ignore
from edgefer_runtime.errors import DataError

log = logging.getLogger("edgefer.faces")


@dataclass(frozen=True)
class TrainingSet:
    """A set that is listed and can be trained on.

    Attributes:
        place: where it is.
        listing: all its faces.
        training, validating, testing: the splits that do it. Without splits, ``training`` is empty, which is
            all of it; the others are empty where the set has none.
    """

    place: Place
    listing: Listing
    training: str = ""
    validating: str = ""
    testing: str = ""

    def load(self, split: str | None = None, on_progress: Report = ignore) -> FaceSet:
        """One split; by default the one that trains."""
        split = self.training if split is None else split
        name = self.place.address(split)
        return load_part(
            self.place,
            self.listing,
            split,
            progress=lambda done, total: on_progress(f"faces {name}", done, total),
        )


def open_training_set(place: Place, partial: bool = False, *, dealt: bool = False) -> TrainingSet:
    """List a set and decide what its splits do; no picture is decoded.

    Args:
        place: the set, or one split of it, all of which then trains.
        partial: take a published set of which faces are missing.
        dealt: all of it is dealt into parts, whatever its splits.

    Raises:
        DataError: it cannot be read; faces of a published set are missing; a class has no training face, or
            there is but one class; it has splits and none that trains; or its pictures are no face crops.
    """
    listing = list_faces(place)
    listing.require_sound()
    chosen = listing.of_split(place.split)
    name = place.address()
    if not partial:
        require_whole(chosen, place.dataset, name)
    splits = () if place.split or dealt else listing.splits
    training = listing.canonical(place.split) if place.split else ""
    validating = testing = ""
    if "train" in splits:
        training = "train"
        testing = place.dataset.tested_on if place.dataset.tested_on in splits else ""
        validating = "val" if "val" in splits and testing != "val" else ""
        _tell(name, splits, training, validating, testing)
    elif {"val", "test"} & {*splits}:
        raise DataError(
            f"{name} has the splits {', '.join(splits)} and none to train on",
            expected="a split called train",
            action=f"name what to train on, such as {place.address(splits[0])}",
        )
    elif splits:
        log.warning(f"{name}: its splits ({', '.join(splits)}) are trained on together")
    _require_classes(listing.of_split(training), listing, name)
    if place.dataset.name in OWN_SETS and (told := mostly_no_crops([face.picture for face in listing.faces])):
        raise DataError(
            f"{name}: {told}",
            expected="pictures of one face each, cropped to it",
            action=f"crop the faces first: edgefer datasets prepare {name} -o faces",
        )
    return TrainingSet(place, listing, training, validating, testing)


def _tell(name: str, splits: tuple[str, ...], training: str, validating: str, testing: str) -> None:
    roles = {training: "trains", validating: "chooses the best epoch", testing: "tests"}
    told = [f"{split} {roles.get(split, 'is not used')}" for split in splits]
    if not validating:
        told.append("part of train is held out to choose the best epoch, unless --validation names others")
    log.info(f"{name}: {', '.join(told)}")


def _require_classes(training: Listing, listing: Listing, name: str) -> None:
    """Refuse a training that could not tell its classes.

    Raises:
        DataError: a class has no training face, or there is one class only.
    """
    counts = Counter(face.label for face in training.faces)
    if missing := [label for label in listing.classes if not counts[label]]:
        elsewhere = Counter(face.label for face in listing.faces)
        named = ", ".join(f"{label} ({elsewhere[label]} in other splits)" for label in missing)
        raise DataError(
            f"{name}: no face to train on of {named}",
            expected="faces of every class in what trains",
            action="add some, or take the class out of the other splits too",
        )
    if len(counts) < 2:
        raise DataError(
            f"{name} has one class only: {', '.join(counts)}",
            expected="two classes or more to tell apart",
            action="name the folder that holds the class folders",
        )
