"""What INT8 costs module by module: a table, a picture, a file for a spreadsheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgefer_bench.pictures import COLOURS, DPI
from edgefer_bench.rendering import add_row, csv_text, interval, number, table
from edgefer_runtime.files import replacing, write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table

SHOWN = 20
"""Modules in the terminal's table; files have all."""

FORMS = (".png", ".svg", ".csv")
"""What a ranking can be written as."""

COLUMNS = ("module", "layers", "work\n%", "SQNR\ndB", "KL\nmnat", "flips\n%", "drop\npoints")


def sensitivity_table(found: Mapping[str, Any]) -> Table:
    """The worst modules, worst first.

    Args:
        found: as `edgefer calibrate sensitivity --json` prints it.
    """
    modules = found["modules"]
    rows = table(_title(found), COLUMNS)
    for module in modules[:SHOWN]:
        drop = module["drop"]
        add_row(
            rows,
            (
                module["module"],
                str(module["layers"]),
                number(100 * module["work"], 1),
                number(module["sqnr_db"], 1),
                number(1000 * module["kl"], 3),
                number(module["flips"], 1),
                f"{number(drop['points'])}\n{interval(drop['interval'])}" if drop else "",
            ),
        )
    if len(modules) > SHOWN:
        rows.caption = f"and {len(modules) - SHOWN} more, none of them worse; -o FILE.csv has all"
    return rows


def write_sensitivity(found: Mapping[str, Any], path: Path) -> None:
    """Write the ranking in the form that the suffix of ``path`` names, one of :data:`FORMS`.

    Args:
        found: as `edgefer calibrate sensitivity --json` prints it.
        path: where to; it appears whole or not at all.
    """
    if path.suffix.lower() == ".csv":
        write_whole(path, _csv(found["modules"]).encode())
        return
    with replacing(path) as temporary:
        _figure(found).savefig(temporary, dpi=DPI)


def _title(found: Mapping[str, Any]) -> str:
    return f"{found['model']}, {found['target']}: each module alone in INT8, {found['ranked_faces']} faces"


def _csv(modules: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for module in modules:
        drop = module["drop"] or {"points": None, "interval": (None, None)}
        low, high = drop["interval"]
        plain = {key: value for key, value in module.items() if key != "drop"}
        rows.append({**plain, "points": drop["points"], "points_low": low, "points_high": high})
    return csv_text(rows)


def _figure(found: Mapping[str, Any]) -> Figure:
    """Divergence of every module on a logarithmic axis, the worst on top."""
    from matplotlib.figure import Figure

    modules = found["modules"][::-1]
    figure = Figure(figsize=(7.5, 1.4 + 0.21 * len(modules)), layout="constrained")
    axes = figure.subplots()
    least = min((module["kl"] for module in modules if module["kl"]), default=1e-9)
    divergence = [1000 * max(module["kl"], least / 2) for module in modules]
    axes.hlines(range(len(modules)), 250 * least, divergence, colors="#00000030")
    axes.plot(divergence, range(len(modules)), "o", color=COLOURS[4])
    for position, module in enumerate(modules):
        if drop := module["drop"]:
            between = interval(drop["interval"])
            label = f"  {number(drop['points'])} points" + (f" [{between}]" if between else "")
            axes.text(divergence[position], position, label, va="center", fontsize="small")
    axes.set_xscale("log")
    axes.margins(y=0.5 / len(modules))
    axes.set_xlim(250 * least, 30 * max(divergence))
    axes.set_yticks(range(len(modules)), [module["module"] for module in modules], fontsize="small")
    axes.set_xlabel("mean KL divergence from the float network's answers, mnat")
    axes.set_title(_title(found), fontsize="medium")
    return figure
