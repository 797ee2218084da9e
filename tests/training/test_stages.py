"""How one stage follows another: what it begins with, and when it ends."""

import csv
from dataclasses import replace

import pytest
import torch

from edgefer.models import get
from edgefer.training.checkpoint import load_checkpoint
from edgefer.training.loop import train
from edgefer.training.recipe import Recipe, Stage, load_recipe

UNLEARNING = Stage(16, 6, 8, 2e-2, monitor="validation_loss", precision="float32")
STANDING = Stage(16, 1, 8, 1e-12, precision="float32")


@pytest.mark.parametrize("ema_decay", [0.0, 0.5])
@pytest.mark.parametrize("from_best", [False, True])
def test_a_stage_begins_with_the_best_weights_or_the_last(tiny, toy, tmp_path, from_best, ema_decay):
    """Validation labels that contradict the training's: the better it learns, the worse it does."""
    first = Recipe("first", (replace(UNLEARNING, ema_decay=ema_decay),))
    second = Recipe("both", (*first.stages, replace(STANDING, from_best=from_best)))
    weights = {}
    for recipe in (first, second):
        out = tmp_path / recipe.name
        train(tiny, recipe, toy(24), toy(6, seed=1, shift=1), out, accelerator="cpu")
        for name in ("best", "last"):
            weights[recipe.name, name] = load_checkpoint(out / f"{name}.json").weights["classify.weight"]
    assert not torch.allclose(weights["first", "best"], weights["first", "last"], atol=1e-4)
    close = torch.allclose(weights["both", "last"], weights["first", "best"], atol=1e-6)
    assert close is from_best


def test_a_stage_ends_where_nothing_gets_better_by_enough(tiny, toy, tmp_path):
    stage = Stage(16, 9, 8, 1e-4, monitor="accuracy", patience=3, min_delta=2.0, precision="float32")
    train(tiny, Recipe("short", (stage,)), toy(24), toy(6, seed=1), tmp_path, accelerator="cpu")
    with (tmp_path / "log.csv").open() as log:
        assert len(list(csv.DictReader(log))) == 1 + 3


def test_pattlites_own_recipe_learns_with_a_head_first_and_never_moves_the_norms(toy, tmp_path):
    recipe = load_recipe("pattlite", "paper")
    short = replace(
        recipe,
        stages=tuple(replace(stage, size=96, epochs=1, precision="float32") for stage in recipe.stages),
    )
    spec = get("pattlite")
    train(spec, short, toy(16), toy(6, seed=1), tmp_path, accelerator="cpu", seed=3)
    torch.manual_seed(3)
    before = spec.build(None, 3).state_dict()
    after = load_checkpoint(tmp_path / "last.json").weights
    changed = {name for name in before if not torch.equal(after[name], before[name])}
    assert {name for name in changed if name.startswith("trunk")} == {
        f"trunk.{i}.0.weight" for i in range(18)
    }
    assert {"embed.weight", "norm.weight", "norm.running_var", "classify.bias"} <= changed
    with (tmp_path / "log.csv").open() as log:
        rates = [float(row["learning_rate"]) for row in csv.DictReader(log)]
    assert rates == pytest.approx([1e-3, 1e-5])
