"""A checkpoint's card, the JSON file beside its weights: what a network is, read without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypedDict

from edgefer_runtime.contract import InputContract
from edgefer_runtime.documents import read_json, require_schema
from edgefer_runtime.errors import DataError
from edgefer_runtime.manifest import Classes, Name, require_classes
from edgefer_runtime.tables import Within, read_table

SCHEMA = "edgefer.checkpoint/1"
TRAIN_AGAIN = "name the folder or file of a finished training, or train again"
MOST_BYTES = 2 << 30
"""Of a weights' file: the largest network of the zoo has a fortieth of it."""


class WeightsFile(TypedDict):
    """What a card says of the weights beside it."""

    bytes: Annotated[int, Within(1, MOST_BYTES)]
    sha256: str


class _Fields(TypedDict):
    """A card's JSON."""

    model: Name
    variant: Name
    classes: Classes
    input: InputContract
    weights: WeightsFile
    provenance: Mapping[str, Any]


@dataclass(frozen=True)
class Card:
    """What a checkpoint says of itself; the weights may yet turn out not to be its own.

    Attributes:
        path: of its JSON file.
        model, variant: the architecture.
        classes: in the order of the network's outputs.
        contract: what the network takes.
        weights: size and checksum of the file beside it.
        provenance: how it was trained and what may be done with it.
    """

    path: Path
    model: str
    variant: str
    classes: tuple[str, ...]
    contract: InputContract
    weights: WeightsFile
    provenance: Mapping[str, Any]

    @property
    def weights_path(self) -> Path:
        """The file of the weights."""
        return self.path.with_suffix(".safetensors")


def read_card(path: Path) -> Card:
    """The card of the checkpoint at ``path``: either of its files, or a folder that holds one.

    Raises:
        DataError: no checkpoint is there, or its card is not what it should be.
    """
    card_path = find_card(path)
    try:
        table = require_schema(read_json(card_path), SCHEMA, card_path.name, action=TRAIN_AGAIN)
        fields = read_table(_Fields, table, card_path.name)
        require_classes(fields["classes"], card_path.name)
    except DataError as error:
        raise not_a_checkpoint(path, error.found, error.expected) from error
    if not card_path.with_suffix(".safetensors").exists():
        raise not_a_checkpoint(path, f"{card_path.with_suffix('.safetensors')} is missing")
    return Card(
        path=card_path,
        model=fields["model"],
        variant=fields["variant"],
        classes=fields["classes"],
        contract=fields["input"],
        weights=fields["weights"],
        provenance=fields["provenance"],
    )


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


def not_a_checkpoint(path: Path | str, reason: str, expected: str = "") -> DataError:
    """The error for a path at which no usable checkpoint lies."""
    return DataError(
        f"{path} is no usable checkpoint: {reason}",
        expected=expected or "NAME.safetensors and NAME.json as `edgefer train` writes them",
        action=TRAIN_AGAIN,
    )
