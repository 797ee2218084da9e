"""What float islands cost in speed and keep of the accuracy, as a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edgefer_bench.rendering import add_row, interval, number, table

if TYPE_CHECKING:
    from rich.table import Table


def front_table(target: str, budget: Mapping[str, Any]) -> Table:
    """The sets of float islands that were tried, the fastest first; the chosen one is marked.

    Args:
        target: where they were timed.
        budget: of a bundle's quantization recipe.
    """
    faces = budget["validation"]
    title = (
        f"{target} int8: float islands tried on {faces['name']}, for at most {budget['max_drop']:g} points"
    )
    rows = table(title, ("in float", "p50\nms", "speed vs\nfloat", "drop\npoints", "to expect\nat most", ""))
    for tried in budget["front"]:
        speed = tried["speed"]
        add_row(
            rows,
            (
                ", ".join(tried["float_modules"]) or "nothing more",
                number(tried["latency_ms"]),
                f"{number(speed['value'])}\n{interval(speed['interval'])}",
                number(tried["points"]),
                number(tried["upper"]),
                "chosen" if tried["chosen"] else "",
            ),
        )
    return rows
