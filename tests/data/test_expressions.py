"""Face units: recipes that the head knows, and performances within what the mesh can show."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefer.data.faceset import EXPRESSIONS
from edgefer.data.synthetic.expressions import (
    CONFUSABLE,
    IDLE,
    LIMITS,
    MOST,
    RECIPES,
    Habits,
    expanded,
    muscle,
    perform,
    within_limits,
)
from edgefer.data.synthetic.head import head
from edgefer.data.synthetic.streams import stream

PLAIN = Habits({muscle(unit): 1.0 for unit in head().unit_names}, asymmetry=0.0)
expressions, seeds = st.sampled_from(EXPRESSIONS), st.integers(0, 2**32 - 1)


def test_every_expression_has_a_recipe_of_known_units():
    assert set(RECIPES) == set(EXPRESSIONS)
    known = set(head().unit_names)
    for variants in RECIPES.values():
        assert sum(variant.share for variant in variants) == pytest.approx(1)
        assert all(set(expanded(variant.units)) <= known for variant in variants)
    assert set(expanded(IDLE)) <= known
    assert all(set(others) <= set(RECIPES) for others in CONFUSABLE.values())


@given(expressions, seeds)
def test_a_performance_stays_within_what_the_mesh_can_show(expression, seed):
    units = perform(stream("test", seed), expression, PLAIN)
    assert set(units) <= set(head().unit_names)
    for unit, value in units.items():
        assert 0 <= value <= LIMITS.get(muscle(unit), MOST)
    for side in ("Left", "Right"):
        assert units.get(f"eyeBlink{side}", 0) == 0 or (
            units[f"eyeBlink{side}"] + units[f"eyeSquint{side}"] <= 1 + 1e-9
        )


@given(expressions, seeds)
def test_the_same_stream_gives_the_same_performance(expression, seed):
    assert perform(stream("test", seed), expression, PLAIN) == perform(
        stream("test", seed), expression, PLAIN
    )


def test_limits_hold_the_cheek_and_share_the_lid():
    held = within_limits({"cheekSquintLeft": 1.0, "eyeBlinkLeft": 1.4, "eyeSquintLeft": 0.5, "jawOpen": -1.0})
    assert held == {
        "cheekSquintLeft": 0.6,
        "eyeBlinkLeft": 1.0,
        "eyeSquintLeft": 0.0,
        "jawOpen": 0.0,
    }


def test_expressions_move_faces_more_than_rest_does():
    for seed in range(20):
        moved = {name: sum(perform(stream("test", seed), name, PLAIN).values()) for name in EXPRESSIONS}
        assert min(moved, key=moved.__getitem__) == "neutral"
