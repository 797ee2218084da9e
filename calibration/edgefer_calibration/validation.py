"""What makes a calibration set unusable, told all at once and with the images' names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np

from edgefer_calibration.sets import CalibrationSet
from edgefer_calibration.strategies import BALANCED
from edgefer_runtime.errors import DataError

LISTED = 8
"""Images named in a message before it says how many more there are."""

SMALLEST_SIDE = 24
"""Pixels; half of what the smallest published faces have."""

WIDEST, NARROWEST = 1.3, 0.5
"""Width by height of a face crop; camera frames have 1.33 and more."""

FLAT = 8
"""Grey levels: an image whose pixels differ by less shows nothing. Crops that were scaled to 0..1 before
they became bytes are found by it as well."""

IMBALANCE = 2
"""Images of one class for each of another, at most, where classes are meant to be balanced."""


def validate(calibration: CalibrationSet) -> None:
    """Refuse a set that would calibrate wrongly.

    Raises:
        DataError: wrong types, shapes or lengths; images of no face crop's size, of one colour, or in the
            set twice; classes that are missing or, where the strategy balances them, out of balance. All of
            it in one message that names the images.
    """
    images = calibration.images
    if images.dtype != np.uint8 or len(images.shape) != 4 or images.shape[3] != 3 or not all(images.shape):
        raise DataError(
            f"{calibration.name}: calibration images of shape {tuple(images.shape)} and type {images.dtype}",
            expected="uint8, N x H x W x 3 with at least one image",
            action="round to 0..255 and convert to RGB bytes",
        )
    columns = {"positions": calibration.indices, "labels": calibration.labels, **calibration.attributes}
    for name, column in columns.items():
        if column is not None and len(column) != len(calibration):
            raise DataError(
                f"{calibration.name}: {len(column)} {name} for {len(calibration)} calibration images",
                expected="one each",
            )
    if problems := [*_sizes(calibration), *_pixels(calibration), *_balance(calibration)]:
        raise DataError(
            f"{calibration.name}: {'; '.join(problems)}",
            expected="different face crops with some contrast, as many of each class",
            action="take these images out, or draw another set: edgefer calibrate make",
        )


def out_of_shape(width: int, height: int) -> str:
    """Why a picture of this size is no face crop; empty when it may be one."""
    if min(width, height) < SMALLEST_SIDE:
        return f"{width} x {height} pixels, fewer than {SMALLEST_SIDE} a side"
    if not NARROWEST <= width / height <= WIDEST:
        return f"{width} x {height} pixels, shaped like no face crop"
    return ""


def _sizes(calibration: CalibrationSet) -> Iterator[str]:
    height, width = calibration.images.shape[1:3]
    if reason := out_of_shape(width, height):
        yield f"all images have {reason}"


def _pixels(calibration: CalibrationSet) -> Iterator[str]:
    flat: list[int] = []
    twice: list[int] = []
    seen: set[bytes] = set()
    for start, images in calibration.chunks():
        spans = np.ptp(images, axis=(1, 2)).max(axis=1)
        flat += (start + np.flatnonzero(spans < FLAT)).tolist()
        for position, image in enumerate(images, start):
            digest = hashlib.sha256(image.data).digest()
            if digest in seen:
                twice.append(position)
            seen.add(digest)
    if flat:
        yield f"images of one grey level: {_named(calibration, flat)}"
    if twice:
        yield f"images that are in the set already: {_named(calibration, twice)}"


def _balance(calibration: CalibrationSet) -> Iterator[str]:
    if calibration.labels is None:
        return
    known = len(calibration.classes) or int(calibration.labels.max()) + 1
    if not 0 <= calibration.labels.min() <= calibration.labels.max() < known:
        yield f"labels {calibration.labels.min()}..{calibration.labels.max()} for {known} classes"
        return
    counts = np.bincount(calibration.labels, minlength=known)
    names = calibration.classes or [f"class {label}" for label in range(known)]
    per_class = ", ".join(f"{name} {count}" for name, count in zip(names, counts, strict=True))
    most = IMBALANCE * counts.min() if calibration.strategy in ("", *BALANCED) else len(calibration)
    if len(calibration) >= known and (not counts.all() or counts.max() > most):
        yield f"images of each class: {per_class}"


def _named(calibration: CalibrationSet, positions: Iterable[int]) -> str:
    names = [calibration.called(position) for position in positions]
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
