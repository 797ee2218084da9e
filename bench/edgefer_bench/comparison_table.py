"""A comparison as a table in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgefer_bench.comparison import Comparison
from edgefer_bench.rendering import add_row, interval, number, table, with_interval

if TYPE_CHECKING:
    from rich.console import RenderableType

_COLUMNS = ("engine", "before\nms", "after\nms", "latency\n%", "verdict", "accuracy\npoints")


def comparison_table(comparisons: Sequence[Comparison]) -> list[RenderableType]:
    """A row an engine, and the lines that say how it was compared and what else differs."""
    from rich.text import Text

    rows = table("edgefer compare", _COLUMNS)
    notes: dict[str, None] = {}
    for each in comparisons:
        change = f"{each.change_percent:+.1f}\n{interval(each.change_interval, 1)}"
        accuracy = with_interval(each.accuracy, each.accuracy_interval, 1)
        times = number(each.before_ms), number(each.after_ms)
        add_row(rows, (each.engine, *times, change, each.verdict, accuracy.replace(" ", "\n", 1)))
        notes[f"compared by {each.how} (95 % intervals)"] = None
        notes.update(dict.fromkeys(each.differences))
    told = (Text(each.sentence) for each in comparisons)
    return [rows, *told, *(Text(note, style="dim") for note in notes)]
