"""A checkpoint's JSON file, spoiled at random: refused in edgefer's own words, or the very network.

From our own trials (edited JSON files that ended in a traceback). ``EDGEFER_FUZZ=10000`` tries that many.
"""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from edgefer.models import get
from edgefer.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from edgefer_runtime.errors import DataError, EdgeferError

from .documents_kit import spoiled, try_all

CLASSES = ("anger", "fear", "happiness")


@pytest.fixture
def card(tmp_path: Path) -> Path:
    spec = get("pattlite")
    torch.manual_seed(0)
    weights = spec.build("head", 3).state_dict()
    notes = {"seed": 3, "notice": "drawn", "validation_accuracy": 0.5}
    return save_checkpoint(
        tmp_path / "best", Checkpoint("pattlite", "head", CLASSES, spec.contract, weights, notes)
    )


def test_checkpoint_json(card: Path) -> None:
    whole = json.loads(card.read_text())
    load_checkpoint(card)  # what torch keeps from its first network is no growth

    def attempt(dice: random.Random) -> bool:
        card.write_bytes(spoiled(dice, whole))
        try:
            checkpoint = load_checkpoint(card)
        except EdgeferError as error:
            assert error.exit_code == 3
            return False
        assert len(checkpoint.classes) == 3 and len({*checkpoint.classes}) == 3
        return True

    assert try_all(attempt, 5)


def test_weights_that_are_no_numbers(card: Path) -> None:
    """One NaN among the weights makes every answer NaN, or the first class: exit 3, and which tensor."""
    checkpoint = load_checkpoint(card)
    for value in (float("nan"), float("inf"), -float("inf")):
        weights = {name: tensor.clone() for name, tensor in checkpoint.weights.items()}
        weights["classify.weight"][0, 0] = value
        save_checkpoint(card, replace(checkpoint, weights=weights))
        with pytest.raises(DataError, match=r"1 of \d+ numbers in classify\.weight are NaN or infinite"):
            load_checkpoint(card)


def test_classes_twice(card: Path) -> None:
    """Two classes of one name cannot be told apart by any reader of the answers: exit 3, and which name."""
    card.write_text(json.dumps({**json.loads(card.read_text()), "classes": ["anger", "anger", "fear"]}))
    with pytest.raises(DataError, match="'anger' stands twice"):
        load_checkpoint(card)


def test_weights_longer_than_stated(card: Path) -> None:
    """No more of a weights' file is read than its JSON file states."""
    weights = card.with_suffix(".safetensors")
    with weights.open("r+b") as file:
        file.truncate(3 << 30)  # sparse
    with pytest.raises(DataError, match=r"3221225472 bytes\) does not match"):
        load_checkpoint(card)
