"""Pose and occlusion of faces in the wild, from the lists that came with RAN (Wang et al. 2020).

The lists are text files with a picture's name in each line, put anywhere in the set's folder or one folder
deeper. Names are compared by the part that all forms of a set share, so ``3/fer0035773.jpg`` in a list is
FERPlus' ``fer0035773.png``. A list covers the splits that its faces are of; in the others ``pose`` and
``occlusion`` are "unlisted".

``pose``: ">45" and ">30" say in how far the face is turned (degrees), "all" that it is in neither list;
the list for >30 holds the faces of >45 too, which here bear the narrower word. ``occlusion``: "occluded"
or "none". The occlusion lists have a kind for each face as a number, whose meaning is not published with
them; it is not read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain

from edgefer.data.listing import Listing
from edgefer.data.tables import lines

UNLISTED = "unlisted"


@dataclass(frozen=True)
class Lists:
    """How a set's lists are called, and the part of a picture's name that they share with it."""

    key: re.Pattern[str]
    occlusion: str
    over_30: str
    over_45: str


LISTS: Mapping[str, Lists] = {
    "rafdb": Lists(
        re.compile(r"(?:train|test)_\d{4,}"),
        "rafdb_occlusion_list.txt",
        "val_raf_db_list.txt",
        "val_raf_db_list_45.txt",
    ),
    **{
        name: Lists(
            re.compile(r"fer\d{7}"),
            "jianfei_occlusion_list.txt",
            "pose_30_ferplus_list.txt",
            "pose_45_ferplus_list.txt",
        )
        for name in ("ferplus", "fer2013")
    },
    "affectnet": Lists(
        re.compile(r"[0-9a-f]{32,}"),
        "occlusion_affectnet_list.txt",
        "pose_30_affectnet_list.txt",
        "pose_45_affectnet_list.txt",
    ),
}
"""Set -> its lists."""


def join(listing: Listing) -> Listing:
    """The listing with ``pose`` and ``occlusion`` of its faces, as far as lists for them are there.

    Raises:
        DataError: a list cannot be read.
    """
    lists = LISTS.get(listing.name)
    if lists is None:
        return listing
    occluded = _named(listing, lists.occlusion, lists.key)
    over_30 = _named(listing, lists.over_30, lists.key)
    over_45 = _named(listing, lists.over_45, lists.key)
    keys = [_key(face.picture.name, lists.key) for face in listing.faces]
    turned = over_30 | over_45
    posed = _splits(listing, keys, turned)
    covered = _splits(listing, keys, occluded)
    for name in sorted((turned | occluded) - set(keys)):
        listing.problems.warn("faces in pose and occlusion lists that are not in the set", name)
    faces = []
    for face, key in zip(listing.faces, keys, strict=True):
        if turned:
            pose = ">45" if key in over_45 else ">30" if key in over_30 else "all"
            face = face._replace(pose=pose if face.split in posed else UNLISTED)
        if occluded:
            occlusion = "occluded" if key in occluded else "none"
            face = face._replace(occlusion=occlusion if face.split in covered else UNLISTED)
        faces.append(face)
    return replace(listing, faces=faces)


def _named(listing: Listing, name: str, key: re.Pattern[str]) -> set[str]:
    """The keys in the first list called ``name``; none where there is no such list."""
    folder = listing.path if listing.path.is_dir() else listing.path.parent
    places = chain([folder / name], sorted(folder.glob(f"*/{name}")))
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        return set()
    keys = set()
    for number, line in lines(path):
        if found := key.search(line):
            keys.add(found[0])
        else:
            listing.problems.warn("lines without a picture's name", f"{path}, line {number}: {line[:60]}")
    return keys


def _key(name: str, key: re.Pattern[str]) -> str:
    found = key.findall(name)
    return str(found[-1]) if found else ""


def _splits(listing: Listing, keys: list[str], listed: set[str]) -> set[str]:
    """The splits in which a listed face is."""
    return {face.split for face, key in zip(listing.faces, keys, strict=True) if key in listed}
