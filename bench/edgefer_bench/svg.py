"""Drawing in SVG: scales with round ticks, and a plot with axes that takes its colours from the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 400, 260
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 12, 40
SERIES = 6
"""Colours of the page, ``--c0`` to ``--c5``; further series begin again."""

TICKS = 5
MINUS = "\N{MINUS SIGN}"
RADIUS = 4.8

Point = tuple[float, float]

CORNERS: Sequence[Sequence[Point]] = (
    (),
    [(-4, -4), (4, -4), (4, 4), (-4, 4)],
    [(0, -6), (6, 0), (0, 6), (-6, 0)],
    [(0, -6), (5.5, 4), (-5.5, 4)],
)
"""Of circle, square, diamond and triangle, around their middle; a circle has none."""


@dataclass(frozen=True)
class Scale:
    """From values to positions along an axis.

    Attributes:
        low, high: values at the ends.
        log: equal ratios take equal room.
    """

    low: float
    high: float
    log: bool = False

    @classmethod
    def around(cls, values: Sequence[float], *, log: bool = False, zero: bool = False) -> Scale:
        """A scale with some room around ``values``; with ``zero`` it holds zero."""
        low, high = min(values), max(values)
        if log:
            return cls(low / 1.15, high * 1.15, log=True)
        low, high = (min(low, 0.0), max(high, 0.0)) if zero else (low, high)
        room = 0.06 * (high - low) or 0.06 * abs(high) or 1.0
        return cls(low - room, high + room)

    @classmethod
    def between_ticks(cls, values: Sequence[float]) -> Scale:
        """A scale over ``values`` that begins and ends at a round one."""
        low, high = min(values), max(values)
        step = _round_step((high - low or 1.0) / (TICKS - 1))
        first = math.floor(low / step)
        return cls(first * step, max(math.ceil(high / step), first + 1) * step)

    def share(self, value: float) -> float:
        """Where ``value`` lies, 0 at the low end and 1 at the high."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Round values inside the scale."""
        if self.log:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            round_values = [digit * 10.0**decade for decade in decades for digit in (1, 2, 5)]
            inside = [value for value in round_values if self.low <= value <= self.high]
            return inside if len(inside) > 1 else Scale(self.low, self.high).ticks()
        step = _round_step((self.high - self.low) / TICKS)
        # An end that is a tick stays one, whatever its last bit says.
        first, last = math.ceil(round(self.low / step, 6)), math.floor(round(self.high / step, 6))
        return [step * place for place in range(first, last + 1)]


class Plot:
    """One plot with axes, as a growing list of SVG elements; the page scales it to its column.

    Args:
        label: what it shows, for those who cannot see it.
        x, y: the scales; None leaves out that axis.
        x_title, y_title: what the axes mean, with their units.
        height: of the whole picture.
        left, right, bottom: room beside and below what is drawn, for axes and words.
    """

    def __init__(
        self,
        label: str,
        x: Scale | None,
        y: Scale | None,
        *,
        x_title: str = "",
        y_title: str = "",
        height: float = HEIGHT,
        left: float = LEFT,
        right: float = RIGHT,
        bottom: float = BOTTOM,
    ) -> None:
        self.x, self.y, self.height = x, y, height
        self.left, self.end, self.floor = left, WIDTH - right, height - bottom
        self._parts = [
            f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{escape(label)}">',
        ]
        for value in x.ticks() if x else ():
            self.line([(self.at_x(value), TOP), (self.at_x(value), self.floor)], "grid")
            self.text((self.at_x(value), self.floor + 14), tick(value), anchor="middle")
        for value in y.ticks() if y else ():
            self.line([(left, self.at_y(value)), (self.end, self.at_y(value))], "grid")
            self.text((left - 6, self.at_y(value) + 4), tick(value), anchor="end")
        if x_title:
            self.text(((left + self.end) / 2, height - 6), x_title, anchor="middle")
        if y_title:
            self._parts.append(
                f'<text transform="translate(12 {(TOP + self.floor) / 2:g}) rotate(-90)" '
                f'text-anchor="middle">{escape(y_title)}</text>'
            )

    def at_x(self, value: float) -> float:
        """Horizontal position of a value."""
        assert self.x is not None
        return self.left + self.x.share(value) * (self.end - self.left)

    def at_y(self, value: float) -> float:
        """Vertical position of a value."""
        assert self.y is not None
        return self.floor - self.y.share(value) * (self.floor - TOP)

    def line(self, points: Sequence[Point], kind: str, series: int | None = None, title: str = "") -> None:
        """A line through positions."""
        self._shape("polyline", _path(points), kind, series, title)

    def area(self, points: Sequence[Point], series: int, title: str = "") -> None:
        """A filled shape with corners at positions."""
        self._shape("polygon", _path(points), "area", series, title)

    def mark(self, at: Point, shape: int, series: int, *, hollow: bool = False, title: str = "") -> None:
        """A sign at a position: circle, square, diamond or triangle."""
        kind = "mark hollow" if hollow else "mark"
        if corners := CORNERS[shape % len(CORNERS)]:
            points = [(at[0] + across, at[1] + down) for across, down in corners]
            self._shape("polygon", _path(points), kind, series, title)
        else:
            self._shape("circle", f'cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="{RADIUS}"', kind, series, title)

    def text(self, at: Point, words: str, *, anchor: str = "start", kind: str = "") -> None:
        """Words at a position."""
        extra = f' class="{kind}"' if kind else ""
        self._parts.append(
            f'<text{extra} x="{at[0]:.1f}" y="{at[1]:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
        )

    def _shape(self, element: str, form: str, kind: str, series: int | None, title: str) -> None:
        colour = "" if series is None else f' style="--c: var(--c{series % SERIES})"'
        told = f"<title>{escape(title)}</title>" if title else ""
        self._parts.append(f'<{element} class="{kind}"{colour} {form}>{told}</{element}>')

    def done(self) -> str:
        """The picture."""
        return "\n".join([*self._parts, "</svg>"])


def tick(value: float) -> str:
    """A tick's words: at most as many digits as it needs."""
    return f"{0.0 if abs(value) < 1e-12 else value:.6g}".replace("-", MINUS)


def _path(points: Sequence[Point]) -> str:
    return f'points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"'


def _round_step(least: float) -> float:
    """The next of 1, 2, 5 times a power of ten that is no smaller."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))
