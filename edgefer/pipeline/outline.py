"""A face set before a picture of it is rendered or decoded: what a command can refuse at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from edgefer.data.catalogue import DATASETS
from edgefer.data.faceset import EXPRESSIONS
from edgefer.data.registry import find, list_faces, parse_split
from edgefer_bench.scoring import check_classes
from edgefer_runtime.errors import DataError


class Outline(NamedTuple):
    """What is known of a face set by its name and its lists.

    Attributes:
        name: as the user gave it.
        images: how many there are.
        classes: in order.
    """

    name: str
    images: int
    classes: tuple[str, ...]


def outline(name: str) -> Outline:
    """The outline of the face set called ``name``.

    Raises:
        UsageError: no such set or split.
        DataError: the folder does not hold the set, or has no faces of that split.
    """
    place = find(name)
    if place is None:
        return _rendered(name)
    listing = list_faces(place)
    listing.require_sound()
    chosen = listing.of_split(place.split)
    if not chosen.faces:
        raise DataError(f"{name} holds no faces", expected="faces", action="name another folder or split")
    return Outline(name, len(chosen.faces), chosen.classes)


def require_fit(classes: Sequence[str], source: Path, faces: Outline, *, shared_only: bool = False) -> None:
    """Raise unless a network of ``classes`` can be judged by the set; ``shared_only`` asks for two in common.

    Raises:
        DataError: it cannot.
    """
    if not shared_only:
        check_classes(classes, source, faces)
    elif len({*classes} & {*faces.classes}) < 2:
        raise DataError(
            f"{source} tells {', '.join(classes)} apart, {faces.name} is labelled {', '.join(faces.classes)}",
            expected="at least two classes that both have",
            action="choose another set",
        )


def _rendered(name: str) -> Outline:
    split, limit = parse_split(name)
    images = DATASETS["synthfer"].splits[split]
    return Outline(name, images if limit is None else min(images or limit, limit), EXPRESSIONS)
