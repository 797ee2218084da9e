"""Parity: the graph returns what the network returns, preprocessing included.

On real faces one at a time, in every batch size of a dynamic graph, and on crops that no camera would give.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgefer_export.checks.check import Check
from edgefer_runtime.contract import InputContract
from edgefer_runtime.preprocess import preprocess

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import nn

    from edgefer_export.sessions import Run

DIFFERENCE_LIMIT = 1e-3
"""Of a probability. Engines round resize coordinates differently, which moves a pixel by up to a
hundredth of a grey level; what is left is float32 summation order."""

ADVERSARIAL_LIMIT = 5 * DIFFERENCE_LIMIT
"""Of crops that are no faces: they drive attention scores, and with them rounding, far beyond a face's."""
CLEAR_MARGIN = 2 * DIFFERENCE_LIMIT
"""Two probabilities closer than this may change places without the first row failing."""


def reference(
    network: nn.Module, faces: NDArray[np.uint8], contract: InputContract, output: str
) -> NDArray[np.float32]:
    """Probabilities N x K of the network in torch, on faces prepared by the runtime's own definition."""
    import torch

    network.eval()
    with torch.inference_mode():
        steps = [network(torch.from_numpy(preprocess(face, contract))) for face in faces]
        values = torch.cat(steps)
        return np.asarray((values.softmax(1) if output == "logits" else values).numpy())


def clear_cases(expected: NDArray[np.float32], margin: float = CLEAR_MARGIN) -> NDArray[np.bool_]:
    """Which rows' most probable class stands out by more than ``margin``."""
    best = np.sort(expected, axis=1)[:, -2:]
    clear: NDArray[np.bool_] = best[:, 1] - best[:, 0] > margin
    return clear


def parity(engine: str, expected: NDArray[np.float32], found: NDArray[np.float32]) -> list[Check]:
    """Two rows: largest difference of a probability, and disagreement about the most probable class.

    Faces that are no :func:`clear_cases` are left out of the second row: either answer is right for them.
    """
    farthest = difference(expected, found)
    clear = clear_cases(expected)
    flips = np.inf
    if found.shape == expected.shape:
        flips = int((expected.argmax(1) != found.argmax(1))[clear].sum())
    faces = f"{len(expected)} faces, batch 1, torch against {engine} in float32"
    return [
        Check.at_most(
            f"parity/{engine}", farthest, DIFFERENCE_LIMIT, "probability", f"largest difference; {faces}"
        ),
        Check.at_most(
            f"top-1/{engine}", flips, 0, "faces", f"another class on {clear.sum()} clear cases; {faces}"
        ),
    ]


def parity_in_batches(
    engine: str, expected: NDArray[np.float32], run: Run, faces: NDArray[np.uint8], batches: Sequence[int]
) -> Check:
    """Largest difference of a probability when faces come in each of ``batches``, sizes of a dynamic axis."""
    worst = max(difference(expected[:size], run(faces[:size])) for size in batches)
    sizes = ", ".join(map(str, batches))
    detail = f"largest difference at batch {sizes}, torch against {engine} in float32"
    return Check.at_most(f"parity-in-batches/{engine}", worst, DIFFERENCE_LIMIT, "probability", detail)


def parity_on_crops(
    engine: str,
    expected: Mapping[str, NDArray[np.float32]],
    run: Run,
    crops: Mapping[str, NDArray[np.uint8]],
) -> Check:
    """Largest difference of a probability over named ``crops``, each of its own size; the worst is named."""
    far = {name: difference(expected[name], run(crop)) for name, crop in crops.items()}
    worst = max(far, key=lambda name: far[name])
    detail = f"{len(crops)} crops: constant, noise, checkerboards, one pixel, huge; worst: {worst}"
    return Check.at_most(f"adversarial-parity/{engine}", far[worst], ADVERSARIAL_LIMIT, "probability", detail)


def difference(expected: NDArray[np.float32], found: NDArray[np.float32]) -> float:
    """The largest difference of a probability; infinite where shapes differ or there is not-a-number."""
    if found.shape != expected.shape or np.isnan(found).any():
        return float("inf")
    return float(np.abs(expected - found).max())
