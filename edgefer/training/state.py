"""The state of an unfinished training: state.safetensors and state.json, without pickle.

Every step draws its randomness from a seed made of the run's seed and the step's number, and the
learning rate is a function of the step, so weights, moments and counters are all there is to keep.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_safetensors
from safetensors.torch import save as write_safetensors
from torch import Tensor, nn

from edgefer.training.differences import differences, listed
from edgefer.training.recipe import Monitor
from edgefer_runtime.errors import DataError, UsageError
from edgefer_runtime.files import write_whole

SCHEMA = "edgefer.training-state/2"


@dataclass
class Position:
    """How far a training has come.

    Attributes:
        stage, epoch, step: the next step's place; epoch counts from the start of the stage, step from the
            start of the epoch.
        done_steps: steps made so far.
        optimizer_steps: those made by the present optimizers.
        loss_sum, correct, seen: of the epoch so far, for its means.
        history: one row a finished epoch.
    """

    stage: int = 0
    epoch: int = 0
    step: int = 0
    done_steps: int = 0
    optimizer_steps: int = 0
    loss_sum: float = 0.0
    correct: int = 0
    seen: int = 0
    history: list[dict[str, float | int]] = field(default_factory=list)

    @property
    def mean_loss(self) -> float:
        """Mean loss of the epoch so far."""
        return self.loss_sum / max(1, self.seen)

    @property
    def mean_accuracy(self) -> float:
        """Mean accuracy of the epoch so far."""
        return self.correct / max(1, self.seen)

    @property
    def stage_history(self) -> list[dict[str, float | int]]:
        """The finished epochs of this stage."""
        return [row for row in self.history if row["stage"] == self.stage + 1]

    def best_epoch(self, monitor: Monitor) -> int:
        """The first of this stage's finished epochs with the best ``monitor``; -1 before there is one.

        Among epochs of one accuracy the one with the lowest validation loss is the best.
        """
        rows = self.stage_history
        sign = 1 if monitor.endswith("accuracy") else -1
        return max(
            range(len(rows)),
            key=lambda epoch: (sign * rows[epoch][monitor], -rows[epoch]["validation_loss"]),
            default=-1,
        )

    def begin_epoch(self, epoch: int) -> None:
        """Move to the start of ``epoch`` of this stage."""
        self.epoch, self.step = epoch, 0
        self.loss_sum, self.correct, self.seen = 0.0, 0, 0

    def begin_stage(self) -> None:
        """Move to the start of the next stage."""
        self.stage += 1
        self.begin_epoch(0)


@dataclass(frozen=True)
class State:
    """What was saved of an unfinished training.

    Attributes:
        position: how far it has come.
        tensors: weights, their averages and the optimizers' moments.
        loss_scale: of float16's gradients; empty in other precisions.
    """

    position: Position
    tensors: Mapping[str, Tensor]
    loss_scale: Mapping[str, Any]

    def restore(
        self,
        objective: nn.Module,
        average: nn.Module | None,
        optimizers: Sequence[torch.optim.Optimizer],
    ) -> None:
        """Put weights and moments back into what :func:`save_state` took them from."""
        objective.load_state_dict(_group(self.tensors, "objective."))
        if average is not None:
            average.load_state_dict(_group(self.tensors, "average."))
        for number, optimizer in enumerate(optimizers):
            moments: dict[int, dict[str, Tensor]] = {}
            for name, value in _group(self.tensors, f"optimizer.{number}.").items():
                parameter, _, moment = name.partition(".")
                moments.setdefault(int(parameter), {})[moment] = value
            optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})


def save_state(
    folder: Path,
    settings: Mapping[str, Any],
    position: Position,
    objective: nn.Module,
    average: nn.Module | None,
    optimizers: Sequence[torch.optim.Optimizer],
    loss_scale: Mapping[str, Any],
) -> None:
    """Write the state; ``settings`` is what a resumed run must agree with."""
    modules = {"objective": objective} if average is None else {"objective": objective, "average": average}
    tensors = {
        f"{prefix}.{name}": value
        for prefix, module in modules.items()
        for name, value in module.state_dict().items()
    }
    for number, optimizer in enumerate(optimizers):
        for parameter, moments in optimizer.state_dict()["state"].items():
            for name, value in moments.items():
                if value is not None:  # SGD's momentum before its first step
                    tensors[f"optimizer.{number}.{parameter}.{name}"] = torch.as_tensor(value)
    content = write_safetensors({name: value.detach().cpu().contiguous() for name, value in tensors.items()})
    card = {
        "schema": SCHEMA,
        "sha256": hashlib.sha256(content).hexdigest(),
        "settings": dict(settings),
        "position": asdict(position),
        "loss_scale": dict(loss_scale),
    }
    write_whole(folder / "state.safetensors", content)
    write_whole(folder / "state.json", json.dumps(card, indent=2).encode())


def load_state(folder: Path, settings: Mapping[str, Any]) -> State:
    """The state that was saved in ``folder``.

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
    except (ValueError, RecursionError) as error:
        raise _damaged(folder) from error
    if not isinstance(card, dict) or not isinstance(card.get("settings"), dict):
        raise _damaged(folder)
    if card.get("schema") != SCHEMA or card.get("sha256") != hashlib.sha256(content).hexdigest():
        raise _damaged(folder)
    if changed := differences(card["settings"], json.loads(json.dumps(settings))):
        raise UsageError(
            f"{folder} holds another training: {listed(changed)}",
            expected="the same model, recipe, data, teacher and seed as before",
            action="resume with those, or start without --resume in another folder",
        )
    try:
        return State(Position(**card["position"]), parse_safetensors(content), card["loss_scale"])
    except (SafetensorError, LookupError, TypeError, ValueError) as error:
        raise _damaged(folder) from error


def _group(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _damaged(folder: Path) -> DataError:
    return DataError(
        f"the training state in {folder} is damaged or of another version",
        expected="state.json and state.safetensors as one run of this version wrote them",
        action="start again without --resume",
    )
