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
        target: what the engines are built for.
        budget: of a bundle's quantization recipe.
    """
    title = (
        f"{target} int8: float islands tried for at most {budget['max_drop']:g} points, "
        f"on {budget['validation']}, {budget['images']:,} images; timed in {budget['timed_in']}"
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
