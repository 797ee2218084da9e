"""Plots of rows: a name, a mark on a scale that several plots may share, and the number in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgefer_bench.intervals import Interval
from edgefer_bench.svg import TOP, Plot, Scale

ROW, LEFT, RIGHT, BOTTOM = 22, 114, 128, 22
"""Height of a row; room for names, for numbers, and for the ticks."""


@dataclass(frozen=True)
class Row:
    """One row of a plot.

    Attributes:
        label: what it is about.
        value: where its mark stands.
        interval: the line through the mark; None for none.
        text: the number as it is printed.
        before: a second, hollow mark, for what the value was before; None for none.
    """

    label: str
    value: float
    interval: Interval | None
    text: str
    before: float | None = None

    def values(self) -> list[float]:
        """Everything that the scale has to cover."""
        given = (self.value, self.before, *(self.interval or ()))
        return [value for value in given if value is not None]


def scale_over(rows: Iterable[Row], *more: float) -> Scale:
    """A scale that covers all rows and the values ``more``."""
    return Scale.between_ticks([*more, *(value for row in rows for value in row.values())])


def row_plot(rows: Sequence[Row], scale: Scale, title: str, *, line_at: float | None = None) -> str:
    """An SVG element: one line a row, marks on a common scale, numbers at the right.

    Args:
        rows: from top to bottom.
        scale: shared by all plots that are to be compared.
        title: read out in place of the picture.
        line_at: value at which a line is drawn from top to bottom, e.g. no drop.
    """
    height = TOP + ROW * len(rows) + BOTTOM
    plot = Plot(title, scale, None, height=height, left=LEFT, right=RIGHT, bottom=BOTTOM)
    if line_at is not None:
        plot.line([(plot.at_x(line_at), TOP), (plot.at_x(line_at), plot.floor)], "zero")
    for place, row in enumerate(rows):
        x, y = plot.at_x(row.value), TOP + ROW * (place + 0.5)
        plot.text((LEFT - 10, y + 4), row.label, anchor="end", kind="name")
        if row.interval is not None:
            plot.line([(plot.at_x(bound), y) for bound in row.interval], "interval", 0)
        if row.before is not None:
            plot.line([(plot.at_x(row.before), y), (x, y)], "whisker", 0)
            plot.mark((plot.at_x(row.before), y), 0, 0, hollow=True)
        plot.mark((x, y), 0, 0)
        plot.text((plot.end + 10, y + 4), row.text, kind="name")
    return plot.done()
