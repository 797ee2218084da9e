"""Interface: static axes are static, dynamic axes really move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgefer_export.checks.check import Check
from edgefer_export.passes.reading import axes

if TYPE_CHECKING:
    from onnx import ModelProto

    from edgefer_export.sessions import Run

BATCHES = (1, 2, 3, 7)
CROPS = ((64, 64), (97, 131))


def axes_as_declared(engine: str, model: ModelProto, run: Run, faces: NDArray[np.uint8]) -> Check:
    """Run the declared batch sizes at three crop sizes; count the runs that fail or return another shape."""
    (images,), (probabilities,) = model.graph.input, model.graph.output
    batch, classes = axes(probabilities)
    batches = (batch,) if isinstance(batch, int) else BATCHES
    generator = np.random.default_rng(0)
    wrong: list[str] = []
    for size in batches:
        for height, width in (faces.shape[1:3], *CROPS):
            crops = generator.integers(0, 256, (size, height, width, 3), dtype=np.uint8)
            try:
                shape = run(crops).shape
            except (
                Exception
            ) as error:  # every engine has its own exception classes for a shape it cannot take
                shape = (type(error).__name__,)
            if shape != (size, classes):
                wrong.append(f"{size} x {height} x {width}: {shape}")
    sizes = ", ".join(map(str, batches))
    detail = f"{axes(images)} -> {axes(probabilities)}, run at batch {sizes} and three crop sizes"
    return Check.at_most(f"axes/{engine}", len(wrong), 0, "runs", "; ".join([detail, *wrong]))
