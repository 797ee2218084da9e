"""What was understood of a face set, in a line for people, and what of a published one is not there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgefer.data.catalogue import Dataset
from edgefer.data.labels import EIGHT
from edgefer.data.listing import Listing, readable
from edgefer_runtime.errors import DataError

CLASSES_SHOWN = 12


def summary(listing: Listing, name: str, shape: Sequence[int]) -> str:
    """How many faces of which classes, how large, in which layout, and what folders were taken for.

    Args:
        listing: one split, or all of them.
        name: of the set and split.
        shape: of the images, N x H x W x 3.
    """
    height, width = shape[1:3]
    parts = [f"{name}: {len(listing.faces):,} faces, {width} x {height} pixels ({listing.layout})"]
    for split, counts in listing.counts().items():
        shown = ", ".join(
            f"{readable(label)} {count:,}" for label, count in [*counts.items()][:CLASSES_SHOWN]
        )
        more = len(counts) - CLASSES_SHOWN
        parts.append(
            f"{split if split in listing.splits else 'classes'}: {shown}"
            + (f", {more} more" if more > 0 else "")
        )
    if renamed := renamings(listing.words):
        parts.append("taken as: " + ", ".join(f"{word} = {label}" for word, label in renamed.items()))
    if own := sorted({*listing.classes} - {*EIGHT}):
        parts.append(f"no expressions, classes of their own: {', '.join(map(readable, own[:CLASSES_SHOWN]))}")
    return "; ".join(parts)


def renamings(words: Mapping[str, str]) -> dict[str, str]:
    """Those words that are taken for another class than they spell."""
    return {readable(word): label or "left out" for word, label in words.items() if word != label}


def departures(listing: Listing, dataset: Dataset) -> list[str]:
    """Each split of a published set that has another number of faces than its publisher counts."""
    found = {split: sum(counts.values()) for split, counts in listing.counts().items()}
    return [
        f"{(split + ' has ') if split else ''}{found[split or 'all']:,} faces, published are "
        + " or ".join(f"{count:,}" for count in counts)
        for split, counts in dataset.published.items()
        if found.get(split or "all", counts[0]) not in counts
    ]


def require_whole(listing: Listing, dataset: Dataset, name: str) -> None:
    """Refuse part of a published set, whose figures would compare with nobody's.

    Raises:
        DataError: some of its splits have other numbers of faces than its publisher counts.
    """
    if departed := departures(listing, dataset):
        raise DataError(
            f"{name} is not {dataset.name} as it was published: {'; '.join(departed)}",
            expected="the whole set",
            action="get it anew; to train on this part of it, say --partial, and if it is a set of your own, "
            "name it folder:PATH or csv:FILE",
        )
