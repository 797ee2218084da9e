"""A model that trains in a moment, and faces that it can learn."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgefer.data.faceset import FaceSet
from edgefer.models import ModelSpec, catalogue
from edgefer.models.spec import InputSizes
from edgefer_runtime.contract import InputContract

TINY = replace(
    catalogue.MODELS["pattlite"],
    name="tiny",
    variants=("plain", "norm"),
    default_variant="plain",
    contract=InputContract(16, 16, "RGB", (127.5,) * 3, (127.5,) * 3),
    module="tiny",
    sizes=InputSizes(),
)


@pytest.fixture(scope="session")
def tiny() -> Iterator[ModelSpec]:
    """The model ``tiny``, known by name, in this process and in those it starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalogue, "MODELS", {**catalogue.MODELS, TINY.name: TINY})
        patch.setattr(sys, "path", [*sys.path, str(Path(__file__).parent / "networks")])
        yield TINY


@pytest.fixture(scope="session")
def toy() -> Callable[..., FaceSet]:
    """Noise with one brighter colour channel; the channel is the class."""

    def make(count: int, seed: int = 0, shift: int = 0) -> FaceSet:
        rng = np.random.default_rng(seed)
        labels = np.arange(count) % 3
        images = rng.integers(0, 90, (count, 20, 20, 3), dtype=np.uint8)
        images[np.arange(count), :, :, labels] += 120
        return FaceSet(f"toy-{seed}", images, (labels + shift) % 3, ("red", "green", "blue"))

    return make
