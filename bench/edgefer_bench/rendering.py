"""How numbers and tables look in the terminal, and in a sheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

NOTHING = "–"


def number(value: float | None, decimals: int | None = None) -> str:
    """A number with so many decimals, or to about three digits; a dash when it is not known."""
    if value is None:
        return NOTHING
    if decimals is None:
        decimals = 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    return f"{value:.{decimals}f}"


def interval(bounds: Sequence[float] | None, decimals: int | None = None) -> str:
    """``2.25…2.37``; nothing when it is not known or the number is exact."""
    if bounds is None or bounds[0] == bounds[1]:
        return ""
    return "…".join(number(bound, decimals) for bound in bounds)


def with_interval(value: float | None, bounds: Sequence[float] | None, decimals: int | None = None) -> str:
    """``2.31 [2.25…2.37]``, or the number alone."""
    between = interval(bounds, decimals)
    return f"{number(value, decimals)} [{between}]" if between else number(value, decimals)


def table(title: str, columns: Iterable[str], *, left: int = 1, header: bool = True) -> Table:
    """An empty table whose first ``left`` columns hold words, the others numbers."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    made = Table(title=Text(title), title_justify="left", box=SIMPLE_HEAD, padding=0, show_header=header)
    for position, name in enumerate(columns):
        made.add_column(Text(name), justify="left" if position < left else "right", overflow="fold")
    return made


def add_row(made: Table, cells: Iterable[str]) -> None:
    """Add a row, each cell letter by letter: brackets are no markup; what follows a line end is dimmed."""
    from rich.text import Text

    made.add_row(
        *(
            Text.assemble(first, (end + rest, "dim"))
            for first, end, rest in (cell.partition("\n") for cell in cells)
        )
    )


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of equal columns as CSV; nothing where there is None."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
