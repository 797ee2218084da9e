"""Which faces a stage trains on, and how a set is described in a checkpoint."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer.data.faceset import FaceSet
from edgefer.data.seen import sketch
from edgefer.training.recipe import Stage
from edgefer_runtime.errors import DataError


def choose_faces(faces: FaceSet, stage: Stage) -> NDArray[np.intp]:
    """Indices of the faces that a stage trains on.

    Raises:
        DataError: there are none.
    """
    fits = np.ones(len(faces), bool)
    if stage.session and "session" in faces.attributes:
        fits &= faces.attributes["session"] == stage.session
    if "yaw" in faces.attributes:
        fits &= np.abs(faces.attributes["yaw"].astype(float)) <= stage.max_yaw_degrees
    if not fits.any():
        raise DataError(
            f"{faces.name}: no face of session {stage.session!r} with yaw up to {stage.max_yaw_degrees}",
            expected="faces for every stage of the recipe",
            action="change the stage's session or max_yaw_degrees",
        )
    return np.flatnonzero(fits)


def describe(faces: FaceSet) -> dict[str, Any]:
    """A set as a checkpoint's provenance names it."""
    subjects = faces.attributes.get("subject")
    return {
        "name": faces.name,
        "images": len(faces),
        "identities": None if subjects is None else len(np.unique(subjects)),
        "fingerprint": faces.fingerprint(),
        "sketch": sketch(faces),
    }


def check_pair(train: FaceSet, validation: FaceSet) -> None:
    """Check that one set can be trained on and the other validated with.

    Raises:
        DataError: their classes differ, or one of them is empty.
    """
    if train.classes != validation.classes or not len(train) or not len(validation):
        raise DataError(
            f"{train.name} ({len(train)} faces: {', '.join(train.classes)}) and {validation.name} "
            f"({len(validation)} faces: {', '.join(validation.classes)}) do not go together",
            expected="two sets with the same classes in the same order, neither of them empty",
            action="choose other sets",
        )
