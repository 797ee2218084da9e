"""From what a user names (a model, a checkpoint, a bundle) to the thing itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgefer.models import MODELS, get
from edgefer.pipeline.requirements import require
from edgefer.pipeline.runs import BEST, RUNS, trained_under, training_folder
from edgefer_runtime.bundle import Bundle
from edgefer_runtime.errors import DataError, UsageError
from edgefer_runtime.manifest import MANIFEST

if TYPE_CHECKING:
    from edgefer.training.checkpoint import Checkpoint

SHIPPED = Path(__file__).parents[1] / "weights"
"""The weights that come with edgefer."""


def find_checkpoint(name: str, variant: str | None = None) -> tuple[Checkpoint, Path]:
    """The checkpoint that ``name`` means, and where it lies.

    A path means itself. A model's name means the best checkpoint of the training of the variant under
    ``runs/`` that ended last, else of one that was interrupted, else the weights shipped with edgefer.

    Raises:
        UsageError: no model of that name, or no such variant.
        DataError: no checkpoint of that variant, or a file that is none.
        MissingError: torch is not installed.
    """
    require("train", "opening a checkpoint")
    from edgefer.training.checkpoint import load_checkpoint

    if name not in MODELS:
        path = Path(name)
        if not path.exists():
            raise UsageError(
                f"{name} is neither a model nor a file",
                expected=f"one of {', '.join(MODELS)}, or a checkpoint's path",
                action="see `edgefer models`",
            )
        checkpoint = load_checkpoint(path)
        if variant not in (None, checkpoint.variant):
            raise UsageError(
                f"{path} holds {checkpoint.model} of variant {checkpoint.variant!r}",
                expected=f"variant {variant!r}",
                action=f"leave --variant out, or: edgefer train {checkpoint.model} --variant {variant}",
            )
        return checkpoint, path
    spec = get(name)
    variant = spec.resolve_variant(variant)
    for path in checkpoints_of(name, variant):
        return load_checkpoint(path), path
    trained = training_folder(name, variant) / BEST
    raise DataError(
        f"no weights of {name}, variant {variant!r}",
        expected=f"a checkpoint at {trained}, or weights shipped with edgefer",
        action=f"train it: edgefer train {name} --variant {variant}",
    )


def checkpoints_of(model: str, variant: str) -> list[Path]:
    """What there is of the checkpoints that a model's name may mean, the one that it means first."""
    name = f"{model}.json" if variant == get(model).default_variant else f"{model}-{variant}.json"
    shipped = SHIPPED / name
    return [*trained_under(model, variant), *([shipped] if shipped.exists() else [])]


def is_bundle(path: Path) -> bool:
    """Whether ``path`` looks like a bundle; opening it is what verifies it."""
    return path.suffix == ".edgefer" or (path / MANIFEST).exists()


def open_bundles(paths: Sequence[Path]) -> list[Bundle]:
    """Open the bundles named, or all of those under ``runs/`` when none is.

    Raises:
        DataError: one of them is no bundle or is damaged, or there is none.
    """
    if not paths:
        paths = sorted(path.parent for path in RUNS.glob(f"*/*/{MANIFEST}"))
    if not paths:
        raise DataError(
            f"no bundles under {RUNS.resolve()}",
            expected="bundles made by `edgefer export`",
            action="edgefer export pattlite --int8, or name bundles",
        )
    return [Bundle.open(path) for path in paths]
