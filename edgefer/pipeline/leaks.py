"""The calibration set's leakage guard: ranges are read from nothing of what measures the drop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgefer.data.faceset import FaceSet
from edgefer.data.registry import find, list_faces
from edgefer.pipeline.frames import UNLABELLED
from edgefer_runtime.errors import DataError

if TYPE_CHECKING:
    from edgefer.data.leakage import Duplicate
    from edgefer_calibration import CalibrationSet

TRAINING = ("train", "train-large")
"""Splits that are not there for evaluation."""

LISTED = 8
"""Pairs named in a message."""

LOOKALIKE = 0.005
"""Distance from which two pictures of people whom their set tells apart only look alike. A picture stays
nearer to itself at JPEG quality 30; SynthFER's people 12 and 465 are 0.010 apart in profile."""


def held_out(data: str) -> tuple[str, ...]:
    """The evaluation splits that belong to the face set ``data``."""
    place = find(data)
    if place is None:
        return ("synthfer:eval",)
    splits = [split for split in list_faces(place).splits if split not in TRAINING]
    return tuple(place.address(split) for split in splits)


def guard(calibration: CalibrationSet, held_out: FaceSet) -> None:
    """Check that a calibration set shares no picture and no person with faces that measure the drop.

    Raises:
        DataError: it does; the pairs are named, each by its number in its set, or by its file.
    """
    from edgefer.data.leakage import shared_subjects

    faces = as_faces(calibration)
    if people := shared_subjects(faces, held_out):
        raise _leak(
            f"people are both in calibration set {calibration.name} and in {held_out.name}",
            map(str, people),
        )
    if pairs := leaking(calibration, held_out):
        raise _leak(
            f"pictures are both in calibration set {calibration.name} and in {held_out.name}",
            (called(calibration, held_out, pair) for pair in pairs),
        )


def leaking(calibration: CalibrationSet, held_out: FaceSet) -> list[Duplicate]:
    """Pictures of the calibration set that are among faces that measure the drop.

    Those of two people whom their set tells apart may look alike.
    """
    from edgefer.data.leakage import differing_subjects, shared_pictures

    faces = as_faces(calibration)
    apart = differing_subjects(faces, held_out)
    return [
        pair
        for pair in shared_pictures(faces, held_out)
        if pair.distance < LOOKALIKE or not apart(pair.first_index, pair.second_index)
    ]


def called(calibration: CalibrationSet, held_out: FaceSet, pair: Duplicate) -> str:
    """A pair by its pictures' files or numbers, and in what way they are one."""
    how = f"({pair.kind}{', mirrored' if pair.mirrored else ''})"
    return f"{calibration.called(pair.first_index)} = {held_out.called(pair.second_index)} {how}"


def too_few(error: DataError, passed_over: Sequence[str]) -> DataError:
    """The error of a draw that has too few pictures without those that were passed over, which it names."""
    return _leak(f"{error.found}, because of what is in it twice or measures the drop", passed_over)


def as_faces(calibration: CalibrationSet) -> FaceSet:
    """The set's images as a face set."""
    labels = calibration.labels
    return FaceSet(
        name=calibration.name,
        images=calibration.images,
        labels=np.zeros(len(calibration), np.int64) if labels is None else labels,
        classes=(UNLABELLED,) if labels is None else calibration.classes,
        attributes=calibration.attributes,
    )


def _leak(found: str, named: Iterable[str]) -> DataError:
    names = [*named]
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return DataError(
        f"{found}: {', '.join(names[:LISTED])}{more}",
        expected="nothing of what measures the drop in what the ranges are read from",
        action="calibrate on training faces, or evaluate on others",
    )
