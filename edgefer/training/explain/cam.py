"""Grad-CAM: where in a face the evidence for a class lies.

R. R. Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-Based Localization",
ICCV 2017 (arXiv:1610.02391). The gradient of a class's score says how much each of the last maps speaks for
the class; the maps, weighed so and added up, show where they do (equations 1 and 2).

Three things are ours. A network with several sets of last maps gets the sum of their evidence; for that,
gradients are summed over a map and not averaged, so that 7 x 7 and 14 x 14 maps count alike. Of a network
that returns probabilities, the score is the log-odds, whose gradient does not vanish when it is certain.
And each heat map is divided by its highest value: colours compare places in one face, never two faces.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from edgefer.models.anatomy import Anatomy, Maps
from edgefer.training.predict import preprocess
from edgefer_runtime.contract import InputContract

TINY = torch.finfo(torch.float32).tiny
"""Keeps a logarithm and a division from zero."""


def grad_cam(
    network: nn.Module,
    anatomy: Anatomy,
    contract: InputContract,
    images: NDArray[np.uint8],
    targets: NDArray[np.integer],
    *,
    batch_size: int = 4,
    device: torch.device | str = "cpu",
    output: Literal["logits", "probabilities"] = "logits",
) -> NDArray[np.float32]:
    """Heat maps of what speaks for a class in each face.

    Args:
        network: in evaluation mode and on ``device``; its weights' gradients are left alone.
        anatomy: where its last maps are.
        contract: what it takes.
        images: uint8, N x H x W x 3, RGB.
        targets: N, the class asked about in each face, as an index into the network's outputs.
        batch_size: faces computed at once; the result does not depend on it.
        device: where to compute.
        output: what the network returns.

    Returns:
        float32, N x H x W: 0 where nothing speaks for the class, 1 where most does. All zero where nothing
        in the whole face does.
    """
    heats = []
    for start in range(0, len(images), batch_size):
        crops = torch.from_numpy(np.ascontiguousarray(images[start : start + batch_size])).to(device)
        chosen = torch.as_tensor(targets[start : start + batch_size], device=device)
        with torch.enable_grad(), _recording(anatomy) as maps:
            scores = _scores(network(preprocess(crops, contract)), chosen, output)
        gradients = dict(zip(maps, torch.autograd.grad(scores.sum(), [*maps.values()]), strict=True))
        evidence = [_evidence(_whole(maps, each), _whole(gradients, each)) for each in anatomy.maps]
        heats.append(_scaled(evidence, crops.shape[1:3]).detach().cpu())
    return torch.cat(heats).numpy()


@contextmanager
def _recording(anatomy: Anatomy) -> Iterator[dict[nn.Module, Tensor]]:
    """What the last maps' modules return while the block runs."""
    maps: dict[nn.Module, Tensor] = {}

    def record(module: nn.Module, _: object, result: Tensor) -> None:
        maps[module] = result.requires_grad_()  # also where all weights are frozen

    handles = [module.register_forward_hook(record) for each in anatomy.maps for module in each.modules]
    try:
        yield maps
    finally:
        for handle in handles:
            handle.remove()


def _scores(outputs: Tensor, targets: Tensor, output: Literal["logits", "probabilities"]) -> Tensor:
    """Each face's logit of its target, or log-odds of its probability: N."""
    wanted = F.one_hot(targets, outputs.shape[1]).bool()
    if output == "logits":
        return outputs[wanted]
    others = outputs.masked_fill(wanted, 0).sum(1)
    return outputs[wanted].clamp_min(TINY).log() - others.clamp_min(TINY).log()


def _whole(values: Mapping[nn.Module, Tensor], maps: Maps) -> Tensor:
    """What was computed in patches, side by side again: N x C x H x W."""
    tensors = [values[module] for module in maps.modules]
    if maps.grid == 1:
        return tensors[0]
    patches = torch.stack(tensors, 1) if len(tensors) > 1 else tensors[0]
    rows = patches.reshape(-1, maps.grid, maps.grid, *tensors[0].shape[1:])
    return rows.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)


def _evidence(maps: Tensor, gradients: Tensor) -> Tensor:
    """The maps N x C x H x W, each times how much it speaks for the class, added up: N x 1 x H x W."""
    return (gradients.sum((2, 3), keepdim=True) * maps).sum(1, keepdim=True)


def _scaled(evidence: Sequence[Tensor], size: Sequence[int]) -> Tensor:
    """All evidence together at the crops' size, what speaks against the class left out, at most 1."""
    resized = [F.interpolate(each, size, mode="bilinear", align_corners=False) for each in evidence]
    heat = torch.stack(resized).sum(0).squeeze(1).relu()
    return heat / heat.amax((1, 2), keepdim=True).clamp_min(TINY)
