"""What INT8 costs module by module, and what float islands cost in speed, as tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def sensitivity_table(title: str, modules: Sequence[Mapping[str, Any]]) -> Table:
    """What quantizing each module alone costs, the worst first.

    Args:
        title: of the table.
        modules: rows of `edgefer calibrate sensitivity`.
    """
    columns = ("module", "layers", "of the\nwork %", "SQNR\ndB", "KL\n1e-6", "flips\n%", "drop\npoints")
    rows = table(title, columns)
    for module in modules:
        drop = module["drop"] or {"points": None, "interval": None}
        add_row(
            rows,
            (
                module["module"],
                str(module["layers"]),
                number(100 * module["work"], 1),
                number(module["sqnr_db"], 1),
                number(1e6 * module["kl"], 0 if module["kl"] > 1e-4 else None),
                number(module["flips"], 1),
                f"{number(drop['points'])}\n{interval(drop['interval'])}",
            ),
        )
    return rows
