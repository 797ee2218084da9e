"""What float networks say of faces: the reference of every drop, asked once, at home."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

import edgefer
from edgefer.data.cache import Entry, entry
from edgefer.data.faceset import FaceSet
from edgefer.models import MODELS
from edgefer.pipeline import Report, counting, ignore
from edgefer.pipeline.requirements import missing
from edgefer.pipeline.runs import BEST, RUNS
from edgefer.pipeline.subjects import checkpoints_of, tagged
from edgefer_bench.scoring import in_classes_of
from edgefer_runtime.board import architecture
from edgefer_runtime.bundle import Bundle
from edgefer_runtime.contract import InputContract
from edgefer_runtime.errors import DataError
from edgefer_runtime.sysfs import ROOT, table

if TYPE_CHECKING:
    from edgefer.training.checkpoint import Checkpoint

Answers = NDArray[np.float32]
"""N x K, columns as the classes of the set."""
CODE = ("models/**/*.py", "training/predict.py", "training/trained.py")
"""Files that decide what a network answers: answers of other code are not kept answers of this one."""
ARITHMETIC = ("avx2", "avx512f")
"""Flags of an x86 processor by which torch chooses how to add, and so how to round."""


def references(
    bundles: Sequence[Bundle], faces: FaceSet, on_progress: Report = ignore
) -> list[Answers | None]:
    """What the network that each bundle was exported from answers, wherever its engine ran.

    A network is known by the sha256 of its weights in the manifest, and looked for under ``runs/`` and among
    those shipped, unless its answers are in the cache: its export left them there.

    Returns:
        One a bundle, the same array for bundles of one network. None where the network is not at hand, torch
        is not installed to ask it, or the bundle is of an edgefer that did not write down which it was.

    Raises:
        DataError: the cache cannot be written to.
    """
    found: dict[_Network | None, Answers | None] = {None: None}
    for network in map(_exported_from, bundles):
        if network is not None and network not in found:
            found[network] = _of_network(network, faces, on_progress)
    return [found[_exported_from(bundle)] for bundle in bundles]


def float_answers(checkpoint: Checkpoint, faces: FaceSet, on_progress: Report = ignore) -> Answers:
    """What a checkpoint's network answers, from the cache if it was asked before.

    Args:
        checkpoint: its classes are those of the set, in any order.
        faces: the set.
        on_progress: told how far it is.

    Raises:
        DataError: the cache cannot be written to.
    """
    answers = _entry(_of(checkpoint), faces).recall(lambda: _ask(checkpoint, faces, on_progress))
    assert answers is not None  # recall() gives what it has made
    return answers


@dataclass(frozen=True)
class _Network:
    """All of a network that its answers depend on; ``sha256`` of its weights."""

    model: str
    variant: str
    sha256: str
    classes: tuple[str, ...]
    contract: InputContract


def _exported_from(bundle: Bundle) -> _Network | None:
    """The network that a bundle was exported from; None if it does not say."""
    manifest = bundle.manifest
    weights = manifest.provenance.get("weights")
    sha256 = weights.get("sha256") if isinstance(weights, Mapping) else None
    if not sha256 or not isinstance(sha256, str):
        return None
    return _Network(manifest.model, manifest.variant, sha256, manifest.classes, manifest.input)


def _of_network(network: _Network, faces: FaceSet, on_progress: Report) -> Answers | None:
    def ask() -> Answers | None:
        checkpoint = _at_hand(network)
        return None if checkpoint is None else _ask(checkpoint, faces, on_progress)

    return _entry(network, faces).recall(ask)


def _at_hand(network: _Network) -> Checkpoint | None:
    """The checkpoint of the network, if there is one here."""
    model = network.model
    if model not in MODELS or missing("train"):
        return None
    from edgefer.training.checkpoint import load_checkpoint

    shipped = [path for name, path in tagged().items() if name.startswith(f"{model}.")]
    trained = sorted((RUNS / model).glob(f"*/{BEST}"))
    for path in dict.fromkeys((*checkpoints_of(model, network.variant), *trained, *shipped)):
        try:
            checkpoint = load_checkpoint(path)
        except DataError:  # A damaged one is not the one that was exported.
            continue
        if _of(checkpoint) == network:
            return checkpoint
    return None


def _of(checkpoint: Checkpoint) -> _Network:
    return _Network(**checkpoint.describe(), classes=checkpoint.classes, contract=checkpoint.contract)


def _ask(checkpoint: Checkpoint, faces: FaceSet, on_progress: Report) -> Answers:
    from edgefer.training.trained import TrainedNetwork

    advance = counting(on_progress, f"float {checkpoint.model}", len(faces))
    asked = TrainedNetwork(checkpoint).predict(faces.images, np.arange(len(faces)), on_chunk=advance)
    return in_classes_of(asked, checkpoint.classes, faces.classes)


def _entry(network: _Network, faces: FaceSet) -> Entry:
    """Where the network's answers are kept; beside them those of processors that round otherwise."""
    flags = table(ROOT / "proc/cpuinfo").get("flags", "").split()
    return entry(
        "answers",
        network.model,
        dtype=np.float32,
        shape=(len(faces), len(faces.classes)),
        of={
            **asdict(network),
            "faces": faces.fingerprint(),
            "processor": [architecture(), *(flag for flag in ARITHMETIC if flag in flags)],
        },
        version={"edgefer": edgefer.__version__, "code": _code(), "torch": _version("torch")},
    )


@cache
def _code() -> str:
    """sha256 of :data:`CODE`."""
    root = Path(edgefer.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(path for pattern in CODE for path in root.glob(pattern)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _version(package: str) -> str | None:
    """Of what is installed, which is not imported; None if it is not."""
    found = next(iter(metadata.distributions(name=package)), None)
    return None if found is None else found.version
