"""Values by annotation: what fits, and what a message says of what does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefer_runtime.errors import DataError
from edgefer_runtime.tables import Filled, Line, Within, convert, read_table, require_fields


@dataclass(frozen=True)
class Part:
    name: Annotated[str, Line(8)]
    sizes: tuple[Annotated[int, Within(1, 9)], ...] = ()


class Inner(TypedDict):
    share: Annotated[float, Within(0, 1)]


class Outer(Inner, total=False):
    parts: tuple[Part, ...]
    kind: Literal["a", "b"]
    notes: Mapping[str, Any]
    pair: tuple[int, float] | None


@pytest.mark.parametrize(
    ("table", "found"),
    [
        ([], r"it: \[\]"),
        ({}, "no share"),
        ({"share": 1.5}, "share = 1.5"),
        ({"share": True}, "share = True"),
        ({"share": float("nan")}, "share = nan"),
        ({"share": "1"}, "share = '1'"),
        ({"share": 1, "parts": [{"name": "x", "sizes": [1, 10]}]}, r"parts\[0\]: sizes = 10"),
        ({"share": 1, "parts": [{"name": "x", "sizes": [1, True]}]}, r"parts\[0\]: sizes\[1\] = True"),
        ({"share": 1, "parts": [{"name": "x", "size": []}]}, r"parts\[0\]: unknown key 'size'"),
        ({"share": 1, "parts": [{"name": "a\nb"}]}, r"parts\[0\]: name"),
        ({"share": 1, "parts": {"name": "x"}}, "parts = "),
        ({"share": 1, "kind": "c"}, "kind = 'c'"),
        ({"share": 1, "kind": ["a"]}, "kind = "),
        ({"share": 1, "notes": []}, "notes = "),
        ({"share": 1, "pair": [1]}, "pair = "),
        ({"share": 1, "pair": [1.5, 1]}, r"pair\[0\] = 1.5"),
    ],
)
def test_what_does_not_fit_is_named(table: Any, found: str) -> None:
    with pytest.raises(DataError, match=found) as caught:
        read_table(Outer, table, "it")
    assert caught.value.expected


def test_what_fits_is_converted_and_what_is_unknown_is_passed_over() -> None:
    table = {"share": 1, "parts": [{"name": "x", "sizes": [1, 2]}], "pair": [1, 2], "later": object}
    assert read_table(Outer, table, "it") == {**table, "parts": (Part("x", (1, 2)),), "pair": (1, 2)}
    with pytest.raises(DataError, match="unknown key 'later'"):
        read_table(Part, {"name": "x", "later": 1}, "it")
    assert read_table(Part, {"name": "x", "later": 1}, "it", later=True) == Part("x")


def test_what_was_made_by_hand_is_checked_too() -> None:
    require_fields(Part("x", (1,)), "it")
    with pytest.raises(DataError, match=r"it: sizes"):
        require_fields(Part("x", (0,)), "it")


@given(st.lists(st.integers(-20, 20) | st.booleans(), max_size=6))
def test_long_lists_are_judged_as_short_ones(values: list[int]) -> None:
    kind = Annotated[tuple[Annotated[int, Within(-9, 9)], ...], Filled()]
    fits = bool(values) and all(type(value) is int and -9 <= value <= 9 for value in values)
    try:
        assert convert(values, kind, "it") == tuple(values) and fits
    except DataError:
        assert not fits
