"""From what a user names (a model, a checkpoint, a bundle) to the thing itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgefer.models import MODELS, get
from edgefer.pipeline.requirements import require
from edgefer.pipeline.runs import BEST, RUNS, trained_under, training_folder
from edgefer.training.card import Card, read_card
from edgefer_runtime.errors import DataError, UsageError
from edgefer_runtime.installed import find_installed
from edgefer_runtime.manifest import MANIFEST
from edgefer_runtime.suggestions import did_you_mean

if TYPE_CHECKING:
    from edgefer.training.checkpoint import Checkpoint
    from edgefer_runtime.bundle import Bundle

SHIPPED = Path(__file__).parents[1] / "weights"
"""The weights that come with edgefer: ``MODEL.json`` learnt from SynthFER, ``MODEL.TAG.json`` elsewhere."""

SYNTHFER = "synthfer"
"""The tag of the weights without one in their file's name, which a model's bare name means."""


def tagged() -> dict[str, Path]:
    """``MODEL.TAG`` -> the card of these weights, for all that come with edgefer in their default variant."""
    found = {}
    for path in sorted(SHIPPED.glob("*.json")):
        model, _, tag = path.stem.partition(".")
        if model in MODELS:
            found[f"{model}.{tag or SYNTHFER}"] = path
    return found


def locate_checkpoint(name: str, variant: str | None = None) -> tuple[Card, Path]:
    """What the checkpoint that ``name`` means says of itself, and where it lies; torch is not imported.

    A path means itself, ``MODEL.TAG`` the weights of that tag that come with edgefer. A model's name means
    the best checkpoint of the training of the variant under ``runs/`` that ended last, else of one that was
    interrupted, else the weights shipped with edgefer.

    Raises:
        UsageError: no model of that name, or no such variant.
        DataError: no checkpoint of that variant, or a file that is none.
    """
    if name not in MODELS:
        path = tagged().get(name, Path(name))
        if not path.exists():
            known = [*MODELS, *tagged()]
            raise UsageError(
                f"{name} is neither a model nor a file",
                expected=f"one of {', '.join(known)}, or a checkpoint's path",
                action=" ".join(filter(None, (did_you_mean(name, known), "see `edgefer models`"))),
            )
        card = read_card(path)
        get(card.model)
        if variant not in (None, card.variant):
            raise UsageError(
                f"{path} holds {card.model} of variant {card.variant!r}",
                expected=f"variant {variant!r}",
                action=f"leave --variant out, or: edgefer train {card.model} --variant {variant}",
            )
        return card, path
    variant = get(name).resolve_variant(variant)
    for path in checkpoints_of(name, variant):
        return read_card(path), path
    trained = training_folder(name, variant) / BEST
    raise DataError(
        f"no weights of {name}, variant {variant!r}",
        expected=f"a checkpoint at {trained}, or weights shipped with edgefer",
        action=f"train it: edgefer train {name} --variant {variant}",
    )


def find_checkpoint(name: str, variant: str | None = None) -> tuple[Checkpoint, Path]:
    """The checkpoint that ``name`` means, and where it lies, as :func:`locate_checkpoint` finds it.

    Raises:
        UsageError, DataError: as there; DataError also for weights that are not the checkpoint's.
        MissingError: torch is not installed.
    """
    _, path = locate_checkpoint(name, variant)
    require("train", "opening a checkpoint")
    from edgefer.training.checkpoint import load_checkpoint

    return load_checkpoint(path), path


def checkpoints_of(model: str, variant: str) -> list[Path]:
    """What there is of the checkpoints that a model's name may mean, the one that it means first."""
    name = f"{model}.json" if variant == get(model).default_variant else f"{model}-{variant}.json"
    shipped = SHIPPED / name
    return [*trained_under(model, variant), *([shipped] if shipped.exists() else [])]


def export_folder(subject: str, model: str) -> Path:
    """Where bundles of ``subject`` go unless told otherwise; weights of a tag have a folder of their own."""
    return RUNS / (subject if subject in tagged() else model)


def is_bundle(path: Path) -> bool:
    """Whether ``path`` looks like a bundle; opening it is what verifies it."""
    return path.suffix == ".edgefer" or (path / MANIFEST).exists()


def find_bundle(name: str | Path) -> Path:
    """The bundle that ``name`` means: at a path, or installed as a package. Opening it verifies it.

    Raises:
        DataError: there is none; for a model's name, the message tells which bundles there are of it, or
            how to make one.
        UsageError: a name that several installed models share.
    """
    if Path(name).exists():
        return Path(name)
    try:
        return find_installed(str(name))
    except DataError as error:
        raise _no_bundle(str(name), error) from None


def bundles_made(model: str = "*") -> list[Path]:
    """Folders of the bundles under ``runs/``, of one model or of all."""
    return sorted(path.parent for path in RUNS.glob(f"{model}/*/{MANIFEST}"))


def _no_bundle(name: str, error: DataError) -> DataError:
    """As ``error``, which tells of installed models, with what there is of a model of the zoo."""
    model = next((each for each in MODELS if name == each or name.startswith(f"{each}-")), None)
    if model is None:
        hint = did_you_mean(name, [*MODELS, *map(str, bundles_made())])
        return DataError(error.found, expected=error.expected, action=hint or error.action)
    made = [str(path) for path in bundles_made(model)]
    if not made:
        return DataError(
            f"{name}: no such bundle, and none of {model} under {RUNS}",
            expected="a bundle's folder or .edgefer file, or the name of an installed model",
            action=f"make one: edgefer export {model} --int8",
        )
    return DataError(
        f"{name}: no such bundle",
        expected=f"a bundle of {model} that is here: {', '.join(made)}",
        action=f"name one of them: {made[0]}",
    )


def open_bundles(paths: Sequence[Path]) -> list[Bundle]:
    """Open the bundles named, or all of those under ``runs/`` when none is.

    Raises:
        DataError: one of them is no bundle or is damaged, or there is none.
    """
    from edgefer_runtime.bundle import Bundle

    paths = paths or bundles_made()
    if not paths:
        raise DataError(
            f"no bundles under {RUNS.resolve()}",
            expected="bundles made by `edgefer export`",
            action="edgefer export pattlite --int8, or name bundles",
        )
    return [Bundle.open(path) for path in [find_bundle(path) for path in paths]]
