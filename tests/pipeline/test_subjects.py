"""A name on the command line becomes the checkpoint or bundle that the user means."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from edgefer.models import get
from edgefer.pipeline.runs import training_folder
from edgefer.pipeline.subjects import (
    SHIPPED,
    export_folder,
    find_checkpoint,
    locate_checkpoint,
    open_bundles,
    tagged,
)
from edgefer.training.checkpoint import Checkpoint, save_checkpoint
from edgefer_runtime.errors import DataError, UsageError


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def train(variant: str, folder: Path) -> None:
    spec = get("pattlite")
    torch.manual_seed(0)
    weights = spec.build(variant, 7).state_dict()
    classes = tuple("abcdefg")
    save_checkpoint(folder / "best", Checkpoint("pattlite", variant, classes, spec.contract, weights, {}))


def test_a_models_name_means_the_shipped_weights() -> None:
    checkpoint, path = find_checkpoint("pattlite")
    assert path.parent == SHIPPED
    assert (checkpoint.model, checkpoint.variant) == ("pattlite", "head")


def test_a_tag_names_weights_that_come_along_whatever_was_trained_here() -> None:
    train("head", training_folder("pattlite"))
    card, path = locate_checkpoint("pattlite.synthfer")
    assert (path, card.variant) == (SHIPPED / "pattlite.json", "head")
    assert {"lanmsff.synthfer", "pattlite.synthfer", "fcsdnet.synthfer"} <= tagged().keys()
    # Bundles of one tag are not written over those of another.
    assert export_folder("pattlite.synthfer", "pattlite") == Path("runs/pattlite.synthfer")
    assert export_folder("pattlite", "pattlite") == Path("runs/pattlite")


def test_a_tag_that_there_is_not_is_told_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"lanmsff\.synthfer") as caught:
        find_checkpoint("lanmsff.synthfr")
    assert "did you mean lanmsff.synthfer?" in str(caught.value)


def test_your_own_training_comes_before_the_shipped_weights() -> None:
    train("head", training_folder("pattlite"))
    checkpoint, path = find_checkpoint("pattlite")
    assert path == Path("runs/pattlite/train-head/best.json")
    assert checkpoint.classes == tuple("abcdefg")


def test_a_variant_is_never_taken_for_another() -> None:
    train("none", training_folder("pattlite", "none"))
    assert find_checkpoint("pattlite")[0].variant == "head"
    assert find_checkpoint("pattlite", "none")[0].variant == "none"
    with pytest.raises(UsageError, match="variant 'none'"):
        find_checkpoint("runs/pattlite/train-none", "head")


def test_a_variant_without_weights_tells_how_to_train_it() -> None:
    with pytest.raises(DataError, match="edgefer train pattlite --variant none"):
        find_checkpoint("pattlite", "none")


@pytest.mark.parametrize("name", ["resnet", "no/such/file.safetensors"])
def test_what_is_neither_model_nor_file(name: str) -> None:
    with pytest.raises(UsageError, match="pattlite"):
        find_checkpoint(name)


def test_no_bundles_tells_how_to_make_some() -> None:
    with pytest.raises(DataError, match="edgefer export"):
        open_bundles([])
