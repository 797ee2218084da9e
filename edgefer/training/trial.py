"""Training steps in a fresh process: for how large a batch there is memory.

    python -m edgefer.training.trial MODEL VARIANT CLASSES SIZE FACES HELD_BYTES

ends with 0 if there is room. A process in which memory has run out cannot tell: its heap is in pieces, which
leave no room even for what would fit.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

STEPS = 2
"""The second meets an optimizer that has its moments."""
LONGEST_S = 120.0


def largest_batch(
    model: str, variant: str, *, classes: int, size: int, below: int, held_bytes: int
) -> int | None:
    """The largest of a half, a quarter, ... of a batch for which a fresh process has room on the CPU.

    Args:
        model, variant, classes: the network.
        size: its input's side in pixels.
        below: faces of the batch that was too large.
        held_bytes: what the training holds beside: its pictures.

    Returns:
        Faces, at least two; None if not even those fit.
    """
    faces = below // 2
    while faces >= 2:
        words = [model, variant, *map(str, (classes, size, faces, held_bytes))]
        try:
            done = subprocess.run(
                [sys.executable, "-m", __name__, *words], capture_output=True, timeout=LONGEST_S
            )
        except (subprocess.TimeoutExpired, OSError):
            return None
        if done.returncode == 0:
            return faces
        faces //= 2
    return None


def main(words: Sequence[str]) -> int:
    """Make the steps; 0 if there was memory for them."""
    model, variant = words[:2]
    classes, size, faces, held_bytes = map(int, words[2:])
    import numpy as np
    import torch

    from edgefer.models import get
    from edgefer.training.exhaustion import ran_out
    from edgefer.training.memory import keep_memory

    try:
        held = np.ones(held_bytes, np.uint8)
        keep_memory("cpu")
        spec = get(model)
        network = spec.build(variant, classes).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimizer = torch.optim.AdamW(network.parameters())
        for _ in range(STEPS):
            pictures = torch.rand(faces, spec.contract.channels, size, size)
            optimizer.zero_grad()
            network(pictures.contiguous(memory_format=torch.channels_last)).square().mean().backward()
            optimizer.step()
        del held
    except (MemoryError, RuntimeError, OSError) as error:
        if not ran_out(error):
            raise
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
