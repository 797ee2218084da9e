"""Recipes: what is shipped can be read, and every slip is named."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefer.models import MODELS
from edgefer.training.recipe import RECIPES, Augmentation, Recipe, Schedule, Stage, load_recipe
from edgefer_runtime.errors import DataError, UsageError

WHOLE = """
[synthfer]
warmup_steps = 5
[synthfer.augmentation]
flip = 0.5
[[synthfer.stages]]
size = 96
epochs = 2
batch_size = 8
learning_rate = 1e-3
augmentation.blur = 0.25
schedule.kind = "cosine"
"""


@pytest.mark.parametrize("model", MODELS)
def test_every_model_has_recipes_that_grow_to_its_own_size_or_to_what_synthfer_has(model):
    own = MODELS[model].contract.height
    assert load_recipe(model, "paper").stages[-1].size == own
    sizes = [stage.size for stage in load_recipe(model, "synthfer").stages]
    assert sizes == sorted(sizes)
    assert min(own, 96) <= sizes[-1] <= own


@pytest.mark.parametrize("model", MODELS)
def test_every_number_of_a_paper_has_its_source(model):
    text = (RECIPES / f"{model}.toml").read_text()
    table = text[text.index("[paper]") : text.index("# SynthFER")]
    numbers = [line for line in table.splitlines() if "=" in line]
    assert numbers
    source = re.compile(r"# (section [IV\d]|Table \d|Eq\. \d|code\b|ours\b)")
    assert [line for line in numbers if not source.search(line)] == []


@pytest.mark.parametrize(
    ("model", "pretrained"), [("pattlite", "imagenet"), ("dsan", "ms-celeb-1m"), ("lanmsff", None)]
)
def test_papers_say_what_they_start_from(model, pretrained):
    assert load_recipe(model, "paper").pretrained == pretrained
    assert load_recipe(model).pretrained is None


def test_a_papers_small_sets_are_repeated_more_often():
    (stage,) = load_recipe("fcsdnet", "paper").stages
    assert [stage.passes(faces) for faces in (1, 213, 4999, 5000, 20000, 20001)] == [10, 10, 10, 5, 5, 3]
    assert load_recipe("lanmsff", "paper").stages[0].passes(28709) == 4


def test_stages_differ_from_what_they_share_key_by_key():
    head, whole = load_recipe("pattlite", "paper").stages
    assert (head.optimizer, head.augmentation, head.gradient_clip) == (
        whole.optimizer,
        whole.augmentation,
        whole.gradient_clip,
    )
    assert (head.schedule.kind, whole.schedule.kind) == ("plateau", "inverse")
    assert (head.dropout, whole.dropout) == ({"drop_features": 0.1}, 0.2)


def test_a_file_of_ones_own(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(WHOLE)
    recipe = load_recipe(path)
    varied = Augmentation(flip=0.5, blur=0.25)
    assert recipe.stages == (Stage(96, 2, 8, 1e-3, Schedule("cosine"), augmentation=varied, warmup_steps=5),)


@pytest.mark.parametrize(
    ("written", "instead", "message"),
    [
        ("warmup_steps", "warm_up_step", r"unknown key 'warm_up_step'\nexpected: one of warmup_steps"),
        ("flip", "flop", r"augmentation: unknown key 'flop'\nexpected: one of flip"),
        ("size = 96", "size = 96.5", "stage 1: size = 96.5"),
        ("size = 96", "size = true", "stage 1: size = True"),
        ("size = 96", "", "stage 1: no size"),
        ("size = 96", "size = 0", "size = 0\nexpected: a whole number from 1"),
        ("flip = 0.5", "flip = 1.5", "flip = 1.5\nexpected: a number from 0 to 1"),
        ("1e-3", "inf", "learning_rate = inf"),
        ("1e-3", "nan", "learning_rate = nan"),
        ("warmup_steps = 5", "optimizer = {nesterov = true, momentum = 0}", "optimizer: nesterov"),
        ("warmup_steps = 5", "dropout = {fc = 2}", "a number from 0 to 1 or a table of a number"),
        ("warmup_steps = 5", "trainable = 'tail'", "one of all, head or a whole number from 1"),
        ("1e-3", "0", "learning_rate = 0\nexpected: a number above 0"),
        ("warmup_steps = 5", "warmup_steps = '5'", "warmup_steps = '5'"),
        ("warmup_steps = 5", "optimizer.kind = 'lion'", "one of adam, adamw, sgd"),
        ("warmup_steps = 5", "optimizer.betas = [0.9]", r"\[a number from 0 to .*, a number from 0"),
        ("warmup_steps = 5", "pretrained = 'web'", "pretrained = 'web'\nexpected: one of imagenet"),
        (
            "warmup_steps = 5",
            "pretraned = 'imagenet'",
            r"unknown key 'pretraned'\nexpected: one of pretrained",
        ),
        ("warmup_steps = 5", "repeats = [[10, 2]]", "a first row"),
        ("[[synthfer.stages]]", "[synthfer.stages]", r"tables \[\[synthfer.stages"),
        ("epochs = 2", "epochs = ", "no TOML"),
    ],
)
def test_slips_are_named(tmp_path, written, instead, message):
    path = tmp_path / "mine.toml"
    path.write_text(WHOLE.replace(written, instead))
    with pytest.raises(DataError, match=message):
        load_recipe(path)


def test_no_stages_is_a_slip_too(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[synthfer]\nwarmup_steps = 5\n")
    with pytest.raises(DataError, match="no stages"):
        load_recipe(path)


def test_unknown_recipes_say_what_there_is(tmp_path):
    with pytest.raises(UsageError, match="pattlite"):
        load_recipe("resnet")
    with pytest.raises(UsageError, match="synthfer"):
        load_recipe("pattlite", "imagenet")
    with pytest.raises(UsageError, match="missing"):
        load_recipe(tmp_path / "missing.toml")


@given(planned=st.lists(st.integers(1, 40), min_size=1, max_size=4), epochs=st.integers(1, 200))
def test_any_number_of_epochs_is_shared_out(planned, epochs):
    stages = tuple(Stage(96 + index, count, 8, 1e-3, 0.0) for index, count in enumerate(planned))
    shrunk = Recipe("any", stages).with_epochs(epochs)
    assert shrunk.epochs == epochs
    assert shrunk.stages[-1].size == stages[-1].size
    assert [stage.size for stage in shrunk.stages] == sorted({stage.size for stage in shrunk.stages})


def test_weaker_augmentation_mirrors_as_often():
    full = Augmentation(flip=0.5, rotation_degrees=8, noise=4, erasing=0.2, erasing_side=0.4)
    assert full.scaled(1) == full
    assert full.scaled(0.5) == Augmentation(
        flip=0.5, rotation_degrees=4, noise=2, erasing=0.1, erasing_side=0.4
    )
    assert Augmentation(scale=0.2).scaled(0.5).zoom == (0.9, 1.1)
    assert Augmentation(scale=(1.0, 1.5)).scaled(0.5).zoom == (1.0, 1.25)


def test_training_for_no_epochs_is_refused():
    with pytest.raises(UsageError, match="at least 1"):
        load_recipe("pattlite").with_epochs(0)
