"""Opening a bundle to be served: as many engines as are to run at once, tried before they are trusted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgefer_runtime.batching import LARGEST_BATCH, batches_mix
from edgefer_runtime.bundle import Bundle
from edgefer_runtime.classifier import Classifier
from edgefer_runtime.environment import usable_cores
from edgefer_runtime.errors import CheckError, UsageError
from edgefer_runtime.manifest import Manifest

MOST_ENGINES = 4
"""Engines opened unasked: each takes memory and time to open; more cores become threads of these."""


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """How the engines of a bundle are opened.

    Attributes:
        engines: how many; each answers one call at a time. None for one a core, four at most.
        threads: threads a call may use; None shares out the cores.
        device, cache, allow_fallback: as :func:`edgefer_runtime.engines.open_engine` takes them.
    """

    engines: int | None = None
    threads: int | None = None
    device: str | None = None
    cache: Path | None = None
    allow_fallback: bool = False

    def __post_init__(self) -> None:
        if self.engines is not None and self.engines < 1:
            raise UsageError(f"{self.engines} engines", expected="one or more")

    @property
    def count(self) -> int:
        """Engines to open."""
        return self.engines or min(MOST_ENGINES, usable_cores())

    @property
    def threads_each(self) -> int:
        """Threads each of them may use."""
        return self.threads or max(1, usable_cores() // self.count)


@dataclass(frozen=True, eq=False)
class Loaded:
    """An open bundle.

    Attributes:
        engines: the same bundle, opened so many times.
        mixes: whether faces of different requests may share a call: the engine takes any number of them, and
            its certificate shows that no face's answer depends on the others.
    """

    engines: tuple[Classifier, ...]
    mixes: bool

    @property
    def manifest(self) -> Manifest:
        """What the engines are."""
        return self.engines[0].bundle.manifest

    def predict(self, engine: int, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities by one of the engines: uint8 N x H x W x 3 in, float32 N x K out."""
        predict = self.engines[engine].predict
        if len(images) <= LARGEST_BATCH:
            return predict(images)
        parts = [images[start : start + LARGEST_BATCH] for start in range(0, len(images), LARGEST_BATCH)]
        return np.concatenate([predict(part) for part in parts])


def load(path: str, settings: EngineSettings) -> Loaded:
    """Open the bundle at ``path``, or the installed model of that name, and have each engine label a face.

    Raises:
        CheckError: an engine that opens, and answers no probabilities.
        EdgeferError: as :meth:`edgefer_runtime.classifier.Classifier.open`.
    """
    bundle = Bundle.open(path)
    engines = tuple(
        Classifier.open(
            bundle,
            threads=settings.threads_each,
            device=settings.device,
            cache=settings.cache,
            allow_fallback=settings.allow_fallback,
        )
        for _ in range(settings.count)
    )
    contract, classes = bundle.manifest.input, len(bundle.manifest.classes)
    face = np.full((1, contract.height, contract.width, 3), 128, dtype=np.uint8)
    for engine in engines:
        answer = engine.predict(face)
        if answer.shape != (1, classes) or not abs(float(answer.sum()) - 1) < 1e-2 or answer.min() < 0:
            raise CheckError(
                f"{path}: the engine gives no probabilities for a grey face",
                expected=f"{classes} numbers from 0 to 1 whose sum is 1",
                action="run edgefer check on the bundle",
            )
    return Loaded(engines, batches_mix(bundle))
