"""A study of calibration sets as table, picture and page: drop and divergence by size, strategy and seed."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from edgefer_bench.page import html_page
from edgefer_bench.pictures import COLOURS, DPI, SHAPES
from edgefer_bench.rendering import add_row, csv_text, interval, number, table, with_interval
from edgefer_runtime.files import replacing, write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from rich.table import Table

FORMS = (".html", ".png", ".csv")
"""What a study can be written as."""

HEADINGS = ("strategy", "images", "drop, points", "draws", "KL, mnat", "draws", "SQNR", "flips")
"""Means over the draws, each followed by the range of the draws; SQNR in decibels, flips in percent."""

LINES = tuple(colour for colour in COLOURS if colour != "#F0E442")
"""Colours of lines on white: yellow is none."""


@dataclass(frozen=True)
class Group:
    """All draws of one strategy and size.

    Attributes:
        points: each draw's accuracy drop.
        interval: the mean ends of their paired 95 % intervals. The faces are the same for all, so the draws
            together are no more certain than one.
        kl: each draw's mean divergence, in nats.
        sqnr_db, flips: means over the draws; the first is None where an engine answered as float does.
    """

    strategy: str
    count: int
    points: tuple[float, ...]
    interval: tuple[float, float]
    kl: tuple[float, ...]
    sqnr_db: float | None
    flips: float

    def cells(self) -> tuple[str, ...]:
        """The group as a row below :data:`HEADINGS`."""
        kl = [1000 * value for value in self.kl]
        return (
            self.strategy,
            f"{self.count:,}",
            with_interval(fmean(self.points), self.interval, 2),
            interval((min(self.points), max(self.points)), 2),
            number(fmean(kl)),
            interval((min(kl), max(kl))),
            number(self.sqnr_db, 1),
            number(self.flips, 2),
        )


def groups(rows: Sequence[Mapping[str, Any]]) -> list[Group]:
    """The study's draws by strategy and size, in the order in which they were made."""
    together: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for row in rows:
        together.setdefault((row["strategy"], row["count"]), []).append(row)
    return [
        Group(
            strategy,
            count,
            tuple(row["points"] for row in draws),
            (fmean(row["interval"][0] for row in draws), fmean(row["interval"][1] for row in draws)),
            tuple(row["kl"] for row in draws),
            None if None in (noise := [row["sqnr_db"] for row in draws]) else fmean(noise),
            fmean(row["flips"] for row in draws),
        )
        for (strategy, count), draws in together.items()
    ]


def write_study(study: Mapping[str, Any], path: Path) -> None:
    """Write the study in the form that the suffix of ``path`` names, one of :data:`FORMS`.

    Args:
        study: as `edgefer calibrate study --json` prints it.
        path: where to; it appears whole or not at all.
    """
    if path.suffix.lower() == ".csv":
        write_whole(path, _csv(study["rows"]).encode())
    elif path.suffix.lower() == ".html":
        write_whole(path, _page(study).encode())
    else:
        with replacing(path) as temporary:
            _figure(study).savefig(temporary, dpi=DPI)


def study_table(study: Mapping[str, Any]) -> Table:
    """A row a strategy and size: the mean over the draws with its interval, and the range of the draws."""
    made = table(_title(study), HEADINGS)
    for group in groups(study["rows"]):
        add_row(made, group.cells())
    return made


def _title(study: Mapping[str, Any]) -> str:
    return f"{study['model']}, {study['target']} INT8: calibration on {study['calibration']}"


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    return csv_text(
        [
            {
                **{key: value for key, value in row.items() if key != "interval"},
                "points_low": row["interval"][0],
                "points_high": row["interval"][1],
            }
            for row in rows
        ]
    )


def _page(study: Mapping[str, Any]) -> str:
    picture = io.StringIO()
    _figure(study).savefig(picture, format="svg")
    svg = picture.getvalue()
    heading = "".join(f"<th>{escape(name)}</th>" for name in HEADINGS)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in group.cells()) + "</tr>"
        for group in groups(study["rows"])
    )
    return html_page(
        _title(study),
        [
            f"<p>{escape(_explained(study))}</p>",
            svg[svg.index("<svg") :],
            f'<div class="scroll"><table><tr>{heading}</tr>\n{body}</table></div>',
        ],
    )


def _explained(study: Mapping[str, Any]) -> str:
    draws = 1 + max(row["seed"] for row in study["rows"])
    return (
        f"Accuracy drop against the fp32 engine on {study['data']}, {study['images']:,} images, with the "
        f"paired 95 % interval; KL divergence from its probabilities. Draws of each: {draws}. The interval "
        "is of the images: it does not shrink with the number of draws."
    )


def _figure(study: Mapping[str, Any]) -> Figure:
    """Drop and divergence against size: a line through the means of each strategy, a mark a draw."""
    from matplotlib.figure import Figure

    found = groups(study["rows"])
    counts = sorted({group.count for group in found})
    strategies = list(dict.fromkeys(group.strategy for group in found))
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    drop, divergence = figure.subplots(1, 2)
    for turn, strategy in enumerate(strategies):
        own = [group for group in found if group.strategy == strategy]
        shift = 0.12 * (turn - (len(strategies) - 1) / 2)
        places = [counts.index(group.count) + shift for group in own]
        look = {"color": LINES[turn % len(LINES)], "marker": SHAPES[turn]}
        for axes, values in (
            (drop, [group.points for group in own]),
            (divergence, [[1000 * kl for kl in group.kl] for group in own]),
        ):
            _strategy(axes, strategy, places, values, look)
        low, high = zip(*(group.interval for group in own), strict=True)
        drop.vlines(places, low, high, colors=look["color"], alpha=0.5)
    drop.axhline(0, color="grey", linewidth=0.8)
    drop.set(ylabel="accuracy drop, points (bar: paired 95 % interval)")
    divergence.set(ylabel="KL divergence from fp32, millinats", ylim=(0, None))
    for axes in (drop, divergence):
        axes.set_xticks(range(len(counts)), [f"{count:,}" for count in counts])
        axes.set(xlabel="images in the set")
    divergence.legend(frameon=False, loc="lower right")
    figure.suptitle(f"{_title(study)}; {study['data']}, {study['images']:,} images", fontsize="medium")
    return figure


def _strategy(
    axes: Axes, name: str, places: Sequence[float], values: Sequence[Sequence[float]], look: Mapping[str, Any]
) -> None:
    axes.plot(places, [fmean(draws) for draws in values], label=name, **look)
    for place, draws in zip(places, values, strict=True):
        axes.plot([place] * len(draws), draws, linestyle="", markersize=4, alpha=0.6, **look)
