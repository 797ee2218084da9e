"""Plots as inline SVG: rows with a value on a common scale. Colours come from the page's style sheet.

Every figure has the width :data:`WIDTH` in its own units and scales to the page's column.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from edgefer_bench.intervals import Interval

WIDTH, ROW, AXIS = 420, 22, 26
LEFT, RIGHT = 120, 286
"""Where the scale begins and ends; row labels stand left of it, numbers right."""

TICKS = 4
MINUS = "\N{MINUS SIGN}"


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


@dataclass(frozen=True)
class Scale:
    """From values to positions, with round ticks."""

    low: float
    high: float
    ticks: tuple[float, ...]

    @classmethod
    def over(cls, rows: Iterable[Row], *more: float) -> Scale:
        """A scale that covers all rows and the values ``more``."""
        values = [*more, *(value for row in rows for value in row.values())]
        low, high = min(values), max(values)
        step = _round_step((high - low or 1.0) / TICKS)
        first = math.floor(low / step)
        last = max(math.ceil(high / step), first + 1)
        ticks = tuple(index * step for index in range(first, last + 1))
        return cls(ticks[0], ticks[-1], ticks)

    def __call__(self, value: float) -> float:
        """The position of ``value`` in a figure."""
        return LEFT + (RIGHT - LEFT) * (value - self.low) / (self.high - self.low)


def plot(rows: Sequence[Row], scale: Scale, title: str, *, line_at: float | None = None) -> str:
    """An SVG element: one line a row, marks on a common scale, numbers at the right.

    Args:
        rows: from top to bottom.
        scale: shared by all plots that are to be compared.
        title: read out in place of the picture.
        line_at: value at which a line is drawn from top to bottom, e.g. no drop.
    """
    bottom = ROW * len(rows)
    parts = [
        f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{bottom}"/>'
        f'<text class="tick" x="{x:.1f}" y="{bottom + 16}">{_plain(tick)}</text>'
        for tick, x in ((tick, scale(tick)) for tick in scale.ticks)
    ]
    if line_at is not None:
        x = scale(line_at)
        parts.append(f'<line class="zero" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{bottom}"/>')
    parts += [_row(row, scale, ROW * position + ROW / 2) for position, row in enumerate(rows)]
    return (
        f'<svg viewBox="0 0 {WIDTH} {bottom + AXIS}" role="img" aria-label="{escape(title)}">'
        + "".join(parts)
        + "</svg>"
    )


def _row(row: Row, scale: Scale, y: float) -> str:
    x = scale(row.value)
    parts = [f'<text class="label" x="{LEFT - 10}" y="{y + 4}">{escape(row.label)}</text>']
    if row.interval is not None:
        low, high = (scale(bound) for bound in row.interval)
        parts.append(f'<line class="interval" x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}"/>')
    if row.before is not None:
        before = scale(row.before)
        parts.append(f'<line class="change" x1="{before:.1f}" x2="{x:.1f}" y1="{y}" y2="{y}"/>')
        parts.append(f'<circle class="before" cx="{before:.1f}" cy="{y}" r="4"/>')
    parts.append(f'<circle class="mark" cx="{x:.1f}" cy="{y}" r="4"/>')
    parts.append(f'<text class="number" x="{RIGHT + 12}" y="{y + 4}">{escape(row.text)}</text>')
    return "".join(parts)


def _round_step(raw: float) -> float:
    """The next larger of 1, 2, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(raw))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - 1e-9))


def _plain(tick: float) -> str:
    return f"{round(tick, 9):g}".replace("-", MINUS)
