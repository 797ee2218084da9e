"""Calibration sets: which faces the ranges of INT8 are read from, in which order, and what they hash to."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.errors import DataError
from edgefer_runtime.images import Images

LISTED = 8
"""Images named in a message before it says how many more there are."""


@dataclass(frozen=True)
class CalibrationSet:
    """Face crops in a fixed order.

    Attributes:
        images: uint8, N x H x W x 3, RGB.
        name: the face set they were drawn from, e.g. ``synthfer:train``.
        indices: int64, N: their positions there.
        labels: int64, N, or None when unknown (frames of the robot's own).
    """

    images: NDArray[np.uint8]
    name: str
    indices: NDArray[np.int64]
    labels: NDArray[np.int64] | None = field(default=None)

    @classmethod
    def draw(
        cls,
        images: Images,
        labels: NDArray[np.int64],
        *,
        count: int = 300,
        seed: int = 0,
        name: str,
    ) -> CalibrationSet:
        """Draw ``count`` faces without replacement, as many of each class as of any other, give or take one.

        The order goes round the classes, so that any beginning of the set is balanced too. The same
        arguments give the same set on every machine.

        Args:
            images: uint8, N x H x W x 3; never faces that the engine is evaluated on.
            labels: int64, N, from 0 to K - 1.
            count: faces to draw.
            seed: which draw.
            name: the face set's name.

        Raises:
            DataError: fewer than ``count`` faces, fewer faces than labels or the reverse, or a class with
                too few.
        """
        if len(images) != len(labels) or not 0 < count <= len(images):
            raise DataError(
                f"{name}: {len(images)} images and {len(labels)} labels to draw {count} from",
                expected=f"at least {max(count, 1)} images, each with a label",
                action="ask for fewer images or give a larger face set",
            )
        classes = int(labels.max()) + 1
        generator = np.random.default_rng(seed)
        queues = [generator.permutation(np.flatnonzero(labels == label)) for label in range(classes)]
        turns = -(-count // classes)
        wanted = [turns if label < count - classes * (turns - 1) else turns - 1 for label in range(classes)]
        short = [f"class {label}: {len(queues[label])} of {wanted[label]}" for label in range(classes)]
        short = [text for text, queue, want in zip(short, queues, wanted, strict=True) if len(queue) < want]
        if short:
            raise DataError(
                f"{name}: too few images for {count} in {classes} classes ({'; '.join(short)})",
                expected="as many images of each class",
                action="ask for fewer images, or add images of these classes",
            )
        indices = np.array(
            [queue[turn] for turn in range(turns) for queue in queues if turn < len(queue)][:count]
        )
        return cls(images[indices], name, indices.astype(np.int64), labels[indices])

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over name, positions, shape and pixels, in order."""
        digest = hashlib.sha256(f"{self.name}\n{self.images.shape}\n".encode())
        digest.update(np.ascontiguousarray(self.indices, dtype="<i8").data)
        digest.update(np.ascontiguousarray(self.images).data)
        return digest.hexdigest()

    def validate(self) -> None:
        """Refuse a set that would calibrate wrongly, before hours of work rather than after.

        Raises:
            DataError: wrong type or shape, an image of one colour, an image twice, or classes out of balance
                by more than a factor of two; the message names the images.
        """
        if (
            self.images.dtype != np.uint8
            or self.images.ndim != 4
            or self.images.shape[3] != 3
            or not self.images.size
        ):
            raise DataError(
                f"{self.name}: calibration images of shape {self.images.shape} and type {self.images.dtype}",
                expected="uint8, N x H x W x 3 with at least one image",
            )
        pixels = self.images.reshape(len(self), -1)
        self._refuse(np.flatnonzero(pixels.min(axis=1) == pixels.max(axis=1)), "images of one grey level")
        seen: set[bytes] = set()
        twice = [
            index for index, image in enumerate(pixels) if _already(hashlib.sha256(image.data).digest(), seen)
        ]
        self._refuse(np.array(twice, dtype=np.int64), "images that are in the set already")
        if self.labels is not None:
            counts = np.bincount(self.labels)
            if counts.max() > 2 * counts.min():
                raise DataError(
                    f"{self.name}: calibration images per class: {', '.join(map(str, counts))}",
                    expected="no class with more than twice as many as another",
                    action="draw the set with CalibrationSet.draw",
                )

    def _refuse(self, positions: NDArray[np.int64], what: str) -> None:
        if len(positions):
            numbers = ", ".join(str(self.indices[position]) for position in positions[:LISTED])
            more = f" and {len(positions) - LISTED} more" if len(positions) > LISTED else ""
            raise DataError(
                f"{self.name}: {what}: number {numbers}{more}",
                expected="different faces with some contrast",
                action="take these images out of the set",
            )


def _already(digest: bytes, seen: set[bytes]) -> bool:
    known = digest in seen
    seen.add(digest)
    return known
