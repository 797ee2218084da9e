"""The readable half of a checkpoint, NAME.json, found and read without importing torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from edgefer_runtime.errors import DataError

SCHEMA = "edgefer.checkpoint/1"


class Card(NamedTuple):
    """What a checkpoint says of itself; the weights may yet turn out not to be its own.

    Attributes:
        path: of its JSON file.
        model, variant: the architecture.
        classes: in the order of the network's outputs.
    """

    path: Path
    model: str
    variant: str
    classes: tuple[str, ...]


def read_card(path: Path) -> Card:
    """The card of the checkpoint at ``path``: either of its files, or a folder that holds one.

    Raises:
        DataError: no checkpoint is there.
    """
    card_path = find_card(path)
    try:
        card: Any = json.loads(card_path.read_bytes())
    except OSError as error:
        raise not_a_checkpoint(path, f"{card_path} cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise not_a_checkpoint(path, f"{card_path.name} is not JSON ({error})") from error
    if not isinstance(card, dict) or card.get("schema") != SCHEMA:
        raise not_a_checkpoint(path, f"{card_path.name} does not say schema {SCHEMA!r}")
    if not card_path.with_suffix(".safetensors").exists():
        raise not_a_checkpoint(path, f"{card_path.with_suffix('.safetensors')} is missing")
    model, variant, classes = (card.get(name) for name in ("model", "variant", "classes"))
    if not (isinstance(model, str) and isinstance(variant, str) and isinstance(classes, list)):
        raise not_a_checkpoint(path, f"{card_path.name} names no model, variant and classes")
    return Card(card_path, model, variant, tuple(map(str, classes)))


def find_card(path: Path) -> Path:
    """The JSON file of the checkpoint that ``path`` names.

    Raises:
        DataError: it names none, or a folder of several.
    """
    if path.suffix in (".json", ".safetensors"):
        return path.with_suffix(".json")
    if not path.is_dir():
        raise not_a_checkpoint(path, "neither a folder nor a .safetensors or .json file")
    if (path / "best.json").exists():
        return path / "best.json"
    cards = [card for card in sorted(path.glob("*.json")) if card.with_suffix(".safetensors").exists()]
    if len(cards) != 1:
        raise not_a_checkpoint(path, f"{len(cards)} checkpoints in the folder")
    return cards[0]


def not_a_checkpoint(path: Path | str, reason: str) -> DataError:
    """The error for a path at which no usable checkpoint lies."""
    return DataError(
        f"{path} is no usable checkpoint: {reason}",
        expected="NAME.safetensors and NAME.json as `edgefer train` writes them",
        action="name the folder or file of a finished training, or train again",
    )
