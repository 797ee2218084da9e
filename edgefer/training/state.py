"""The state of an unfinished training: state.safetensors and state.json, without pickle.

Every step draws its randomness from a seed made of the run's seed and the step's number, and the
learning rate is a function of the step, so weights, moments and counters are all there is to keep.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as parse_safetensors
from safetensors.torch import save as write_safetensors
from torch import Tensor, nn

from edgefer_runtime.errors import DataError, UsageError
from edgefer_runtime.files import write_whole

SCHEMA = "edgefer.training-state/1"


@dataclass
class Position:
    """How far a training has come.

    Attributes:
        stage, epoch, step: the next step's place; epoch counts from the start of the stage, step from the
            start of the epoch.
        done_steps: optimizer steps made so far.
        loss_sum, correct, seen: of the epoch so far, for its means.
        best_accuracy, best_loss, best_epoch: of the stage so far, on the validation faces.
        history: one row a finished epoch.
    """

    stage: int = 0
    epoch: int = 0
    step: int = 0
    done_steps: int = 0
    loss_sum: float = 0.0
    correct: int = 0
    seen: int = 0
    best_accuracy: float = -1.0
    best_loss: float = float("inf")
    best_epoch: int = -1
    history: list[dict[str, float | int]] = field(default_factory=list)

    @property
    def mean_loss(self) -> float:
        """Mean loss of the epoch so far."""
        return self.loss_sum / max(1, self.seen)

    @property
    def mean_accuracy(self) -> float:
        """Mean accuracy of the epoch so far."""
        return self.correct / max(1, self.seen)

    def begin_epoch(self, epoch: int) -> None:
        """Move to the start of ``epoch`` of this stage."""
        self.epoch, self.step = epoch, 0
        self.loss_sum, self.correct, self.seen = 0.0, 0, 0

    def begin_stage(self) -> None:
        """Move to the start of the next stage; its accuracies are not comparable with the last one's."""
        self.stage += 1
        self.begin_epoch(0)
        self.best_accuracy, self.best_loss, self.best_epoch = -1.0, float("inf"), -1


def save_state(
    folder: Path,
    settings: Mapping[str, Any],
    position: Position,
    network: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
) -> None:
    """Write the state; ``settings`` is what a resumed run must agree with."""
    tensors = {
        **{f"network.{name}": value for name, value in network.state_dict().items()},
        **{f"average.{name}": value for name, value in average.state_dict().items()},
    }
    for number, moments in optimizer.state_dict()["state"].items():
        for name, value in moments.items():
            tensors[f"optimizer.{number}.{name}"] = torch.as_tensor(value)
    content = write_safetensors({name: value.detach().cpu().contiguous() for name, value in tensors.items()})
    card = {
        "schema": SCHEMA,
        "sha256": hashlib.sha256(content).hexdigest(),
        "settings": dict(settings),
        "position": asdict(position),
    }
    write_whole(folder / "state.safetensors", content)
    write_whole(folder / "state.json", json.dumps(card, indent=2).encode())


def load_state(
    folder: Path,
    settings: Mapping[str, Any],
    network: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
) -> Position:
    """Put everything back and return the position.

    Raises:
        UsageError: there is nothing to resume, or it was another training.
        DataError: the files are damaged.
    """
    try:
        card = json.loads((folder / "state.json").read_bytes())
        content = (folder / "state.safetensors").read_bytes()
    except FileNotFoundError:
        raise UsageError(
            f"nothing to resume in {folder}",
            expected="state.json and state.safetensors",
            action="start without --resume",
        ) from None
    except ValueError as error:
        raise _damaged(folder) from error
    if card.get("schema") != SCHEMA or card.get("sha256") != hashlib.sha256(content).hexdigest():
        raise _damaged(folder)
    changed = [key for key in settings if card["settings"].get(key) != json.loads(json.dumps(settings[key]))]
    if changed:
        raise UsageError(
            f"{folder} holds another training: {', '.join(changed)} differ",
            expected="the same model, recipe, data and seed as before",
            action="resume with those, or start without --resume in another folder",
        )
    tensors = parse_safetensors(content)
    network.load_state_dict(_group(tensors, "network."))
    average.load_state_dict(_group(tensors, "average."))
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in _group(tensors, "optimizer.").items():
        number, _, moment = name.partition(".")
        moments.setdefault(int(number), {})[moment] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
    return Position(**card["position"])


def _group(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _damaged(folder: Path) -> DataError:
    return DataError(
        f"the training state in {folder} is damaged",
        expected="state.json and state.safetensors as one run wrote them",
        action="start again without --resume",
    )
