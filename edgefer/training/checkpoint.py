"""Checkpoints: trained weights and what is needed to use them, as NAME.safetensors and NAME.json.

The JSON file names the model, its classes and its input contract, and carries size and sha256 of the
weights, so that two files that do not belong together are noticed. Nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_safetensors
from safetensors.torch import save as write_safetensors

from edgefer.models import get
from edgefer.training.card import SCHEMA, Card, not_a_checkpoint, read_card
from edgefer_runtime.contract import InputContract
from edgefer_runtime.errors import DataError, UsageError
from edgefer_runtime.files import write_whole

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Checkpoint:
    """A trained network.

    Attributes:
        model, variant: the architecture in :data:`edgefer.models.MODELS`.
        classes: class names in the order of the network's outputs.
        contract: what the network takes.
        weights: the network's ``state_dict``.
        provenance: how it was trained and what may be done with it; plain JSON.
    """

    model: str
    variant: str
    classes: tuple[str, ...]
    contract: InputContract
    weights: Mapping[str, Tensor]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def network(self) -> nn.Module:
        """The network in evaluation mode, in float32.

        Raises:
            DataError: the weights' names or shapes are not the architecture's.
        """
        network = get(self.model).build(self.variant, len(self.classes))
        _check_weights(self, network)
        network.load_state_dict(dict(self.weights))
        return network.eval()

    def describe(self) -> dict[str, str]:
        """The network as another one's provenance names it: model, variant, and sha256 of its weights."""
        weights = {name: _stored(tensor, half=False) for name, tensor in self.weights.items()}
        digest = hashlib.sha256(write_safetensors(weights)).hexdigest()
        return {"model": self.model, "variant": self.variant, "sha256": digest}


def save_checkpoint(path: Path, checkpoint: Checkpoint, half: bool = False) -> Path:
    """Write a checkpoint and return the path of its JSON file.

    Args:
        path: where to; the suffix is replaced by ``.safetensors`` and ``.json``.
        checkpoint: what to write.
        half: store kernels and matrices in float16. Vectors (biases and all that normalisations hold,
            whose small variances float16 would round to zero) stay in float32.

    Raises:
        DataError: the files cannot be written.
    """
    weights = {name: _stored(tensor, half) for name, tensor in checkpoint.weights.items()}
    content = write_safetensors(weights)
    card = {
        "schema": SCHEMA,
        "model": checkpoint.model,
        "variant": checkpoint.variant,
        "classes": list(checkpoint.classes),
        "input": checkpoint.contract.to_json(),
        "weights": {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()},
        "provenance": dict(checkpoint.provenance),
    }
    write_whole(path.with_suffix(".safetensors"), content)
    write_whole(path.with_suffix(".json"), (json.dumps(card, indent=2) + "\n").encode())
    return path.with_suffix(".json")


def load_checkpoint(path: Path | str) -> Checkpoint:
    """Read a checkpoint and verify it.

    Args:
        path: either of the two files, or a folder that holds ``best.json`` or one checkpoint only.

    Raises:
        DataError: there is no checkpoint, or it is damaged, or its weights do not fit its model.
    """
    card = read_card(Path(path))
    try:
        checkpoint = Checkpoint(
            model=card.model,
            variant=card.variant,
            classes=card.classes,
            contract=card.contract,
            weights={name: _restored(tensor) for name, tensor in parse_safetensors(_content(card)).items()},
            provenance=card.provenance,
        )
        for side in (checkpoint.contract.height, checkpoint.contract.width):
            get(checkpoint.model).require_size(side, checkpoint.variant)
        with torch.device("meta"):
            shapes = get(checkpoint.model).build(checkpoint.variant, len(checkpoint.classes))
    except (DataError, UsageError) as error:
        raise not_a_checkpoint(path, error.found, error.expected) from error
    except (SafetensorError, LookupError, TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise not_a_checkpoint(path, f"{card.weights_path.name}: {type(error).__name__}: {error}") from error
    _check_weights(checkpoint, shapes)
    return checkpoint


def _content(card: Card) -> bytes:
    """The content of the weights' file, which must be the one that the card states; no more is read.

    Raises:
        DataError: it is missing, or another.
    """
    path = card.weights_path
    try:
        with path.open("rb") as file:
            content = file.read(card.weights["bytes"] + 1)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from error
    if len(content) != card.weights["bytes"] or hashlib.sha256(content).hexdigest() != card.weights["sha256"]:
        raise DataError(f"{path.name} ({path.stat().st_size} bytes) does not match the JSON file beside it")
    return content


def _check_weights(checkpoint: Checkpoint, network: nn.Module) -> None:
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in checkpoint.weights.items()}
    if wanted == found:
        require_finite(checkpoint.weights, checkpoint.model)
        return
    differing = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    name = differing[0]
    raise DataError(
        f"{len(differing)} weights do not fit {checkpoint.model}/{checkpoint.variant} with "
        f"{len(checkpoint.classes)} classes, first {name}: {found.get(name, 'missing')}",
        expected=f"{name}: {wanted.get(name, 'no such weight')}",
        action="use the checkpoint with the model, variant and classes it was trained for",
    )


def require_finite(weights: Mapping[str, Tensor], name: str) -> None:
    """Raise unless every weight is a finite number: one NaN makes all answers NaN, or the first class.

    Raises:
        DataError: names the first tensor with one that is not; ``name`` is what the message calls them all.
    """
    for tensor, values in weights.items():
        if values.is_floating_point() and not bool(torch.isfinite(values).all()):
            bad = int((~torch.isfinite(values)).sum())
            raise DataError(
                f"{name}: {bad} of {values.numel()} numbers in {tensor} are NaN or infinite",
                expected="finite weights",
                action="use the weights of an earlier epoch, or train again with a lower learning rate",
            )


def _stored(tensor: Tensor, half: bool) -> Tensor:
    tensor = tensor.detach().cpu().contiguous()
    return tensor.half() if half and tensor.is_floating_point() and tensor.ndim > 1 else tensor


def _restored(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor
