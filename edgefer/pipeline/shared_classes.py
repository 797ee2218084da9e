"""Cross-database evaluation: what a network and a face set of other classes can be compared on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgefer.data.faceset import FaceSet
from edgefer_bench.scoring import check_classes
from edgefer_runtime.errors import DataError


def comparable_faces(faces: FaceSet, classes: Sequence[str], path: Path, *, shared_only: bool) -> FaceSet:
    """The faces that a network can be judged by, their classes being some or all of its own.

    As GMS-LPA evaluates across databases (section 4.4): faces of classes that the network does not know are
    left out, and it is asked to decide between the classes that both have.

    Args:
        faces: the set.
        classes: the network's.
        path: of the network, for the message.
        shared_only: leave out what is not shared; otherwise the classes must be the same.

    Raises:
        DataError: the classes differ, or fewer than two are shared.
    """
    if not shared_only:
        check_classes(classes, path, faces)
        return faces
    shared = tuple(name for name in faces.classes if name in classes)
    if len(shared) < 2:
        raise DataError(
            f"{path} tells {', '.join(classes)} apart, {faces.name} is labelled {', '.join(faces.classes)}",
            expected="at least two classes that both have",
            action="choose another set",
        )
    if shared == faces.classes:
        return faces
    position = np.array([shared.index(name) if name in shared else -1 for name in faces.classes])
    labels = position[faces.labels]
    kept = np.flatnonzero(labels >= 0)
    return replace(replace(faces, votes=None).take(kept), labels=labels[kept], classes=shared)
