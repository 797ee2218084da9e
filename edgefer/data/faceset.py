"""A face set: labelled face crops with attributes, the form in which data flows through edgefer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.errors import DataError

EXPRESSIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
"""The seven classes in edgefer's own order; a checkpoint and a bundle carry theirs with them."""


@dataclass(frozen=True)
class FaceSet:
    """Labelled face crops held in memory.

    Attributes:
        name: the set and split, e.g. ``synthfer:test``.
        images: uint8, N x H x W x 3, RGB.
        labels: int64, N, indices into ``classes``.
        classes: class names in order.
        attributes: one array of length N each; known names are ``subject``, ``yaw`` (degrees, -90..90),
            ``session`` and ``occlusion`` ("none" when the face is free).

    Raises:
        DataError: the arrays' shapes, types or lengths do not fit.
    """

    name: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    attributes: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or self.images.ndim != 4 or self.images.shape[-1] != 3:
            raise DataError(
                f"{self.name}: images of shape {self.images.shape} and type {self.images.dtype}",
                expected="uint8, N x H x W x 3",
            )
        lengths = {
            "labels": len(self.labels),
            **{name: len(values) for name, values in self.attributes.items()},
        }
        for name, length in lengths.items():
            if length != len(self.images):
                raise DataError(
                    f"{self.name}: {length} {name} for {len(self.images)} images", expected="one each"
                )
        if len(self.labels) and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < len(self.classes):
            raise DataError(
                f"{self.name}: labels {self.labels.min()}..{self.labels.max()}",
                expected=f"0..{len(self.classes) - 1} for {len(self.classes)} classes",
            )

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: NDArray[np.integer], name: str | None = None) -> FaceSet:
        """The faces at ``indices``, in that order."""
        return FaceSet(
            name=name or self.name,
            images=self.images[indices],
            labels=self.labels[indices],
            classes=self.classes,
            attributes={key: values[indices] for key, values in self.attributes.items()},
        )

    def fingerprint(self) -> str:
        """sha256 over pixels, labels and class names."""
        digest = hashlib.sha256("\n".join(self.classes).encode())
        digest.update(repr(self.images.shape).encode())
        digest.update(np.ascontiguousarray(self.images).data)
        digest.update(np.ascontiguousarray(self.labels, dtype="<i8").data)
        return digest.hexdigest()


def mirror(faces: FaceSet) -> FaceSet:
    """The faces as a mirror shows them: left and right exchanged and, with them, the sign of ``yaw``.

    Expressions, subjects, sessions and occlusions stay what they are.
    """
    attributes = dict(faces.attributes)
    if "yaw" in attributes:
        attributes["yaw"] = np.negative(attributes["yaw"])
    return FaceSet(
        name=f"{faces.name} mirrored",
        images=np.ascontiguousarray(faces.images[:, :, ::-1]),
        labels=faces.labels,
        classes=faces.classes,
        attributes=attributes,
    )
