"""The input contract survives its JSON and refuses nonsense."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefer_runtime.contract import InputContract
from edgefer_runtime.errors import DataError

numbers = st.floats(0.001, 1000)


@given(
    height=st.integers(1, 4096),
    width=st.integers(1, 4096),
    mean=st.tuples(numbers, numbers, numbers),
    std=st.tuples(numbers, numbers, numbers),
    crop_scale=st.floats(0.1, 10),
)
def test_json_round_trip(**fields: object) -> None:
    contract = InputContract(color="RGB", **fields)
    assert InputContract.from_json(json.loads(json.dumps(contract.to_json()))) == contract


@pytest.mark.parametrize(
    "changes",
    [
        {"color": "BGR"},
        {"height": 0},
        {"height": "224"},
        {"mean": (1.0,)},
        {"std": (0.0, 1.0, 1.0)},
        {"std": 1.0},
        {"size": 224},
        {"crop_scale": 0},
        {"crop_scale": 1e-9},
        {"crop_scale": -1.05},
        {"crop_scale": float("nan")},
        {"crop_scale": float("inf")},
        {"crop_scale": "x"},
        {"crop_scale": True},
        {"height": 2.5},
        {"width": 10**9},
        {"mean": "abc"},
        {"mean": (float("nan"), 0.0, 0.0)},
        {"std": (float("inf"), 1.0, 1.0)},
        {"color": ["RGB"]},
    ],
)
def test_nonsense_is_a_data_error(changes: dict[str, object]) -> None:
    whole = InputContract(8, 8, "RGB", mean=(0, 0, 0), std=(1, 1, 1)).to_json()
    with pytest.raises(DataError, match="contract"):
        InputContract.from_json({**whole, **changes})
