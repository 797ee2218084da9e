"""Checkpoints: what comes back, and every file that is none."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from edgefer.data.faceset import EXPRESSIONS
from edgefer.models import get
from edgefer.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from edgefer.training.predict import predict
from edgefer_runtime.errors import DataError


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    torch.manual_seed(0)
    spec = get("pattlite")
    network = spec.build("head", 7)
    network.norm.running_var[0] = 1e-9  # float16 would make it zero
    weights = network.state_dict()
    return Checkpoint("pattlite", "head", EXPRESSIONS, spec.contract, weights, {"seed": 3})


@pytest.fixture
def saved(checkpoint, tmp_path):
    return save_checkpoint(tmp_path / "best", checkpoint)


@pytest.mark.parametrize("name", ["best.json", "best.safetensors", "."])
def test_everything_comes_back(checkpoint, saved, name):
    loaded = load_checkpoint(saved.parent / name)
    assert replace(loaded, weights={}) == replace(checkpoint, weights={})
    assert loaded.weights.keys() == checkpoint.weights.keys()
    assert all(torch.equal(loaded.weights[name], value) for name, value in checkpoint.weights.items())
    assert not loaded.network().training


def test_half_precision_keeps_the_predictions_and_is_small(checkpoint, tmp_path):
    card = save_checkpoint(tmp_path / "half", checkpoint, half=True)
    assert card.with_suffix(".safetensors").stat().st_size < 3e6
    loaded = load_checkpoint(card)
    statistics = [name for name in loaded.weights if "running_" in name]
    assert all(torch.equal(loaded.weights[name], checkpoint.weights[name]) for name in statistics)
    faces = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    full, half = (predict(c.network(), c.contract, faces) for c in (checkpoint, loaded))
    np.testing.assert_allclose(half, full, atol=2e-3)


def test_nothing_is_left_beside_the_two_files(saved):
    assert sorted(path.name for path in saved.parent.iterdir()) == ["best.json", "best.safetensors"]


def rewrite(card, **changes):
    card.write_text(json.dumps({**json.loads(card.read_text()), **changes}))


def truncate(card):
    weights = card.with_suffix(".safetensors")
    weights.write_bytes(weights.read_bytes()[:-1000])


def garble(card):
    weights = card.with_suffix(".safetensors")
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)


DAMAGE = {
    "truncated weights": truncate,
    "one bit flipped": garble,
    "no JSON file": lambda card: card.unlink(),
    "no weights": lambda card: card.with_suffix(".safetensors").unlink(),
    "JSON cut off": lambda card: card.write_text(card.read_text()[:100]),
    "JSON that is a list": lambda card: card.write_text("[]"),
    "binary in place of JSON": lambda card: card.write_bytes(b"\xff\xfe\x00"),
    "another schema": lambda card: rewrite(card, schema="other/1"),
    "an unknown model": lambda card: rewrite(card, model="resnet"),
    "an unknown variant": lambda card: rewrite(card, variant="bath"),
    "a class too many": lambda card: rewrite(card, classes=[*EXPRESSIONS, "contempt"]),
    "a variant with other weights": lambda card: rewrite(card, variant="none"),
    "a size that the network cannot take": lambda card: rewrite(
        card, input={**json.loads(card.read_text())["input"], "height": 48}
    ),
    "a contract without size": lambda card: rewrite(card, input={"color": "RGB"}),
    "no provenance": lambda card: card.write_text(card.read_text().replace('"provenance"', '"origin"')),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_damage_is_a_data_error(saved, damage):
    damage(saved)
    with pytest.raises(DataError):
        load_checkpoint(saved)


def test_weights_of_another_shape_are_named(checkpoint, tmp_path):
    weights = {**checkpoint.weights, "classify.weight": torch.zeros(7, 31)}
    card = save_checkpoint(tmp_path / "odd", replace(checkpoint, weights=weights))
    with pytest.raises(DataError, match=r"classify\.weight: \(7, 31\)"):
        load_checkpoint(card)


def test_files_of_other_kinds_are_refused(checkpoint, tmp_path):
    pickled = tmp_path / "weights.pt"
    torch.save(dict(checkpoint.weights), pickled)
    bare = tmp_path / "bare.safetensors"
    save_file({"a": torch.zeros(1)}, bare)
    for path in (pickled, bare, tmp_path, tmp_path / "missing", tmp_path / "missing.json"):
        with pytest.raises(DataError, match="no usable checkpoint"):
            load_checkpoint(path)


def test_a_full_disk_leaves_nothing(checkpoint, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(DataError, match="cannot be written"):
        save_checkpoint(blocked / "best", checkpoint)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
