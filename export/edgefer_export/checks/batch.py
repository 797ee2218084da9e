"""Batch invariance: a face's result does not depend on the faces beside it.

PAtt-Lite as its authors wrote it attends over the batch, exports without complaint and is right at batch 1
only; a server that batches requests would answer one client with another's face.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgefer_export.checks.check import Check
from edgefer_export.passes.reading import axes
from edgefer_runtime.contract import InputContract
from edgefer_runtime.preprocess import preprocess

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import Tensor, nn

    from edgefer_export.sessions import Run

LIMIT = 1e-5
"""Relative to the largest value compared."""

NEIGHBOURS = 3


def network_batch_invariance(network: nn.Module, faces: NDArray[np.uint8], contract: InputContract) -> Check:
    """The first face alone and among two different sets of neighbours, in torch, module by module.

    The first module whose output moves is named: hooks see an inner module before the one that holds it.
    """
    import torch

    network.eval()
    inputs = torch.from_numpy(preprocess(faces[: 1 + 2 * NEIGHBOURS], contract))
    first, others = inputs[:1], torch.split(inputs[1:], NEIGHBOURS)
    alone = module_outputs(network, first)
    worst, guilty = 0.0, ""
    for neighbours in others:
        together = module_outputs(network, torch.cat([first, neighbours]))
        for name, value in alone.items():
            moved = _moved(value, together[name])
            worst = max(worst, moved)
            if moved > LIMIT and not guilty:
                guilty = name
    detail = f"a face alone and beside {NEIGHBOURS} others, twice; every module's output compared"
    if guilty:
        detail = f"module {guilty!r} mixes the faces of a batch ({detail})"
    return Check.at_most("batch-invariance/torch", worst, LIMIT, "relative difference", detail)


def graph_batch_invariance(engine: str, model: ModelProto, run: Run, faces: NDArray[np.uint8]) -> list[Check]:
    """The same on a graph with a dynamic batch axis; no row for a static one."""
    if not is_dynamic(model):
        return []
    alone = run(faces[:1])[0]
    batches = [
        np.concatenate([faces[:1], faces[start : start + NEIGHBOURS]]) for start in (1, 1 + NEIGHBOURS)
    ]
    worst = max(float(np.abs(run(batch)[0] - alone).max()) for batch in batches)
    return [
        Check.at_most(
            f"batch-invariance/{engine}",
            worst,
            LIMIT,
            "probability",
            f"a face alone and beside {NEIGHBOURS} others, twice",
        )
    ]


def is_dynamic(model: ModelProto) -> bool:
    """Whether the graph takes batches of any size."""
    return isinstance(axes(model.graph.input[0])[0], str)


def _moved(alone: Tensor, together: Tensor) -> float:
    """How far the first sample moved, relative to its largest value."""
    if together.shape != alone.shape:
        return float("inf")
    return float((together - alone).abs().max() / alone.abs().max().clamp(min=1e-12))


def module_outputs(network: nn.Module, inputs: Tensor) -> dict[str, Tensor]:
    """First sample of what every module returns, if that is a tensor, in the order they finish."""
    import torch

    outputs: dict[str, Tensor] = {}
    names = {module: name or "network" for name, module in network.named_modules()}

    def keep(module: nn.Module, _: Any, value: Any) -> None:
        if isinstance(value, torch.Tensor) and value.ndim > 0:
            outputs[names[module]] = value[:1].clone()  # layers that work in place overwrite it

    hooks = [module.register_forward_hook(keep) for module in names]
    try:
        with torch.inference_mode():
            network(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return outputs
