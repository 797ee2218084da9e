"""Calibration sets: which images the ranges of INT8 are read from, in which order, and what they hash to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.images import Images

CHUNK = 64
"""Images read at once, so that memory does not grow with the set."""


@dataclass(frozen=True)
class CalibrationSet:
    """Face crops in a fixed order.

    Attributes:
        images: uint8, N x H x W x 3, RGB; in memory or mapped into it. Index them by slices.
        name: the set they were drawn from, e.g. ``synthfer:train``.
        indices: int64, N: their positions there.
        labels: int64, N, indices into ``classes``; None when unknown (frames of the robot's own).
        classes: class names, as far as they are known.
        attributes: what else is known of each image, one array of length N each; ``yaw`` in degrees,
            ``subject``, and ``file`` where each was a file of its own.
        strategy: how they were chosen, one of :data:`edgefer_calibration.strategies.STRATEGIES`; empty
            when they were put together by hand.
        seed: which draw.
    """

    images: Images
    name: str
    indices: NDArray[np.int64]
    labels: NDArray[np.int64] | None = None
    classes: tuple[str, ...] = ()
    attributes: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    strategy: str = ""
    seed: int = 0

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over name, positions, shape and pixels, in order."""
        digest = hashlib.sha256(f"{self.name}\n{tuple(self.images.shape)}\n".encode())
        digest.update(np.ascontiguousarray(self.indices, dtype="<i8").data)
        for _, images in self.chunks():
            digest.update(images.data)
        return digest.hexdigest()

    def chunks(self) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """(position of the first, up to 64 images) after each other."""
        for start in range(0, len(self), CHUNK):
            yield start, np.ascontiguousarray(self.images[start : start + CHUNK])

    def summary(self) -> dict[str, Any]:
        """What a bundle keeps of the set, as JSON."""
        return {
            "name": self.name,
            "count": len(self),
            "strategy": self.strategy,
            "seed": self.seed,
            "sha256": self.fingerprint,
        }

    def called(self, position: int) -> str:
        """What messages call an image: its file, or its number in the set it was drawn from."""
        files = self.attributes.get("file")
        return str(self.indices[position] if files is None else files[position])
