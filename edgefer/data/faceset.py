"""A face set: labelled face crops with attributes, the form in which data flows through edgefer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from edgefer.data.labels import EXPRESSIONS as EXPRESSIONS
from edgefer.data.mapped import MappedImages
from edgefer_runtime.errors import DataError
from edgefer_runtime.images import Images

CHUNK = 256
"""Images read at once."""


@dataclass(frozen=True)
class FaceSet:
    """Labelled face crops, in memory or, where they are too many, in a file mapped into it.

    Attributes:
        name: the set and split, e.g. ``synthfer:test``.
        images: uint8, N x H x W x 3, RGB. Index them by slices or arrays of indices, which works for both
            kinds, and never all at once.
        labels: int64, N, indices into ``classes``.
        classes: class names in order.
        attributes: one array of length N each; known names are ``subject``, ``yaw`` (degrees, -90..90,
            positive to the right of the picture), ``session``, ``occlusion`` ("none" when the face is free),
            ``pose`` and ``split``.
        votes: what people saw in each face, float32, N x K in the order of ``classes``, rows sum to one;
            None where a set has labels only.
        names: what messages call each picture, its file for instance; None where they have no names.
        alike: distance below which two of its pictures are one, where edgefer deals the set itself; see
            :func:`edgefer.data.lookalikes.measured`.

    Raises:
        DataError: the arrays' shapes, types or lengths do not fit, or votes do not sum to one.
    """

    name: str
    images: Images
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    attributes: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    votes: NDArray[np.float32] | None = None
    names: NDArray[np.object_] | None = None
    alike: float | None = None

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or len(self.images.shape) != 4 or self.images.shape[-1] != 3:
            raise DataError(
                f"{self.name}: images of shape {self.images.shape} and type {self.images.dtype}",
                expected="uint8, N x H x W x 3",
            )
        lengths = {
            "labels": len(self.labels),
            **{name: len(values) for name, values in self.attributes.items()},
            **({} if self.names is None else {"names": len(self.names)}),
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
        if self.votes is not None and (
            self.votes.shape != (len(self), len(self.classes))
            or not np.allclose(self.votes.sum(axis=1), 1, atol=1e-4)
        ):
            raise DataError(
                f"{self.name}: votes of shape {self.votes.shape}",
                expected=f"{len(self)} x {len(self.classes)}, each row summing to one",
            )

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: NDArray[np.integer], name: str | None = None) -> FaceSet:
        """The faces at ``indices``, in that order; images in a file stay there."""
        images: Images = self.images
        return replace(
            self,
            name=name or self.name,
            images=images.take(indices) if isinstance(images, MappedImages) else images[indices],
            labels=self.labels[indices],
            attributes={key: values[indices] for key, values in self.attributes.items()},
            votes=None if self.votes is None else self.votes[indices],
            names=None if self.names is None else self.names[indices],
        )

    def called(self, index: int) -> str:
        """What messages call a picture: its name, or its number in the set."""
        return str(index if self.names is None else self.names[index])

    def fingerprint(self) -> str:
        """sha256 over pixels, labels and class names."""
        digest = hashlib.sha256("\n".join(self.classes).encode())
        digest.update(repr(self.images.shape).encode())
        for start in range(0, len(self), CHUNK):
            digest.update(np.ascontiguousarray(self.images[start : start + CHUNK]).data)
        digest.update(np.ascontiguousarray(self.labels, dtype="<i8").data)
        return digest.hexdigest()


def mirror(faces: FaceSet) -> FaceSet:
    """The faces as a mirror shows them: left and right exchanged and, with them, the sign of ``yaw``.

    Expressions, subjects, sessions and occlusions stay what they are. The result is in memory.
    """
    attributes = dict(faces.attributes)
    if "yaw" in attributes:
        attributes["yaw"] = np.negative(attributes["yaw"])
    return replace(
        faces,
        name=f"{faces.name} mirrored",
        images=np.ascontiguousarray(faces.images[:][:, :, ::-1]),
        attributes=attributes,
    )
