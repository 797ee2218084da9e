"""What a narrower precision did, for the terminal: beyond the drop, what a drop near zero may hide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgefer_bench.rendering import NOTHING, add_row, number, table, with_interval

if TYPE_CHECKING:
    from rich.table import Table


def drop_table(rows: Sequence[Mapping[str, Any]]) -> Table | None:
    """A row for each engine that is narrower than float; None when there is none.

    Args:
        rows: with ``target``, ``precision`` and ``drop``, the JSON form of :class:`edgefer_bench.drop.Drop`.
    """
    narrow = [row for row in rows if row["precision"] != "fp32"]
    if not narrow:
        return None
    headings = ("engine", "changed class %", "ECE %", "confidence", "Var of poses")
    made = table("what the narrower precision did: float → now", headings)
    for row in narrow:
        drop = row["drop"]
        cells = (
            number(drop["flips"], 1),
            _change(drop["calibration_error"], 1),
            f"{drop['confidence_shift']:+.2f}",
            _change(drop["var_poses"], 2),
        )
        add_row(made, (f"{row['target']} {row['precision']}", *cells))
    return made


def profile_answer(drop: Mapping[str, Any]) -> str | None:
    """Whether profile views lost more than frontal ones, in words; None where the yaws do not tell."""
    excess = drop.get("profile_excess")
    if excess is None:
        return None
    low, high = excess["interval"]
    loss = "lose more" if low > 0 else "lose less" if high < 0 else "are not shown to lose more"
    points = with_interval(excess["value"], excess["interval"], 1)
    return f"profile views {loss} than frontal ones: {points} points"


def _change(change: Mapping[str, float] | None, decimals: int) -> str:
    if change is None:
        return NOTHING
    return " → ".join(number(change[moment], decimals) for moment in ("before", "after"))
