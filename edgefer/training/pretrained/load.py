"""Fills a network's backbone from a file of published weights and tells what fitted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from edgefer.models import ModelSpec
from edgefer.training.pretrained.files import read_tensors
from edgefer.training.pretrained.naming import BACKBONES, TRUNK, Naming, describe, published_name
from edgefer_runtime.errors import DataError, UsageError
from edgefer_runtime.files import copy_hashed

ENOUGH = 0.9
"""Share of all numbers in the network's trunk and in the same layers of the file that must be common to
both. A grey first layer may differ, a width or a depth may not."""

SHOWN = 4
"""Names that a summary lists."""


@dataclass(frozen=True)
class PretrainedReport:
    """What became of a file of weights.

    Attributes:
        path, sha256: the file.
        source: the architecture it holds, and in whose naming.
        matched: weight of the network -> tensor of the file that it was set to.
        skipped: tensor of the file -> why it was left.
        fresh: weights of the network that stay as they were initialised.
        notes: what differs from the network that the weights were trained in.
    """

    path: str
    sha256: str
    source: str
    matched: Mapping[str, str]
    skipped: Mapping[str, str]
    fresh: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The report as a JSON object."""
        return asdict(self)

    def __str__(self) -> str:
        layers: dict[str, dict[str, None]] = {}
        for name, why in self.skipped.items():
            layers.setdefault(why, {})[name.rpartition(".")[0]] = None
        parts = ", ".join(dict.fromkeys(name.partition(".")[0] for name in self.fresh))
        return "\n".join(
            [
                f"{self.path}: {self.source}",
                f"{len(self.matched)} of {len(self.matched) + len(self.fresh)} weights set from it",
                *(f"left: {_some(names)} ({why})" for why, names in layers.items()),
                f"fresh: {len(self.fresh)} weights in {parts}",
                *(f"note: {note}" for note in self.notes),
            ]
        )


def load_pretrained(path: Path, network: nn.Module, spec: ModelSpec) -> PretrainedReport:
    """Set the backbone of ``network`` to the weights in a file, as far as they fit.

    Takes MobileNetV1 for pattlite (Keras' .h5, timm's .safetensors) and ResNet-18 or ResNet-50 for dsan and
    gmslpa (torchvision's and timm's state dicts, also inside training checkpoints). Where the file's batch
    normalisations add another epsilon to the variance than the network's, gamma makes up for it, so that
    the backbone computes what it did.

    Args:
        path: the file.
        network: of ``spec``; changed in place, and only when no error is raised.
        spec: which model it is.

    Raises:
        UsageError: the model has no published backbone.
        DataError: the file is damaged, unsafe to read, or of another architecture.
        MissingError: h5py is needed and not installed.
    """
    if spec.name not in BACKBONES:
        raise UsageError(
            f"{spec.name} has no backbone that anybody publishes weights of",
            expected=f"one of {', '.join(BACKBONES)}",
            action="leave --pretrained out",
        )
    tensors = read_tensors(path)
    naming, found = _recognise(path, tensors, spec)
    state = {name: value for name, value in network.state_dict().items() if "num_batches" not in name}
    published = {name: standard for name in state if (standard := published_name(spec.name, name))}
    candidates = {name: found[standard] for name, standard in published.items() if standard in found}
    matched = {
        name: source for name, source in candidates.items() if tensors[source].shape == state[name].shape
    }
    share = _common_share(
        network={name: state[name].numel() for name in published if name.startswith(TRUNK)},
        file={standard: tensors[source].numel() for standard, source in found.items()},
        published=published,
        matched=matched,
    )
    if share < ENOUGH:
        raise _another_architecture(path, spec, tensors, f"{share:.0%} of the trunk is common to both")
    _require_finite(path, {source: tensors[source] for source in matched.values()})

    skipped = dict.fromkeys(found.values(), "the network has no such layer")
    for name, source in candidates.items():
        skipped[source] = f"{_shape(tensors[source])}, where the network has {_shape(state[name])}"
    with torch.no_grad():
        for name, source in matched.items():
            state[name].copy_(tensors[source])
            skipped.pop(source, None)
        _compensate_epsilon(network, matched, naming)
    with path.open("rb") as file:
        _, sha256 = copy_hashed(file)
    return PretrainedReport(
        path=str(path),
        sha256=sha256,
        source=f"{describe(tensors)}, named as in {naming.title}",
        matched=matched,
        skipped=skipped,
        fresh=tuple(name for name in state if name not in matched),
        notes=_notes(naming, spec),
    )


def _recognise(path: Path, tensors: Mapping[str, Tensor], spec: ModelSpec) -> tuple[Naming, dict[str, str]]:
    """The file's naming, and its weights: published name -> name in the file."""
    for naming in BACKBONES[spec.name].namings:
        if (prefix := naming.prefix(tensors)) is not None:
            return naming, {
                naming.standard(name.removeprefix(prefix)): name
                for name in tensors
                if name.startswith(prefix) and not name.endswith("num_batches_tracked")
            }
    raise _another_architecture(path, spec, tensors, "none of its weights fits")


def _common_share(
    network: Mapping[str, int],
    file: Mapping[str, int],
    published: Mapping[str, str],
    matched: Collection[str],
) -> float:
    """Numbers that the trunk and the same layers of the file have in common, of those in either.

    Args:
        network: numbers in each weight of the trunk.
        file: numbers in each tensor, by published name.
        published: weight of the network -> published name.
        matched: weights of the network that the file has in the same shape.
    """
    layers = {published[name].partition(".")[0] for name in network}
    common = sum(numbers for name, numbers in network.items() if name in matched)
    in_file = sum(numbers for name, numbers in file.items() if name.partition(".")[0] in layers)
    return common / (sum(network.values()) + in_file - common)


def _require_finite(path: Path, tensors: Mapping[str, Tensor]) -> None:
    broken = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    if broken:
        raise DataError(
            f"{path}: {len(broken)} tensors hold numbers that are not finite, first {broken[0]}",
            expected="finite weights",
            action="fetch the file again",
        )


def _another_architecture(path: Path, spec: ModelSpec, tensors: Mapping[str, Tensor], why: str) -> DataError:
    return DataError(
        f"{path} is no backbone of {spec.name}: it looks like {describe(tensors)}, {why}",
        expected=BACKBONES[spec.name].title,
        action="name a file of that architecture, or leave --pretrained out",
    )


def _compensate_epsilon(network: nn.Module, matched: Mapping[str, str], naming: Naming) -> None:
    for name in matched:
        if name.endswith(".running_var"):
            norm = network.get_submodule(name.removesuffix(".running_var"))
            assert isinstance(norm, nn.BatchNorm2d) and norm.running_var is not None
            norm.weight.mul_(((norm.running_var + norm.eps) / (norm.running_var + naming.epsilon)).sqrt())


def _notes(naming: Naming, spec: ModelSpec) -> tuple[str, ...]:
    contract = (spec.contract.mean, spec.contract.std)
    notes = [naming.note] if naming.note else []
    if not all(
        abs(one - other) < 1
        for ours, theirs in zip(contract, naming.normalisation, strict=True)
        for one, other in zip(ours, theirs, strict=True)
    ):
        notes.append(
            f"the weights expect (pixel - {naming.normalisation[0]}) / {naming.normalisation[1]}, "
            f"{spec.name} gives (pixel - {contract[0]}) / {contract[1]}: fine-tuning has to absorb that"
        )
    return tuple(notes)


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a number"


def _some(names: Collection[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join([*names][:SHOWN]) + more
