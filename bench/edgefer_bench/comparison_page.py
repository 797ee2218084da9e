"""A comparison as Markdown, for a pull request, and as a page of HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from edgefer_bench.comparison import Comparison
from edgefer_bench.page import html_page
from edgefer_bench.rendering import NOTHING, number, with_interval

COLUMNS = ("engine", "before, ms", "after, ms", "change of latency, %", "verdict", "accuracy, points")
TITLE = "edgefer compare"


def comparison_markdown(comparisons: Sequence[Comparison]) -> str:
    """A sentence and a row an engine, and how they were compared."""
    rows = [COLUMNS, ("---", *["---:"] * 3, "---", "---:"), *map(_cells, comparisons)]
    table = "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows)
    lines = [f"- {line}" for line in (*(each.sentence for each in comparisons), *_notes(comparisons))]
    return f"# {TITLE}\n\n{table}\n\n" + "\n".join(lines) + "\n"


def comparison_html(comparisons: Sequence[Comparison]) -> str:
    """The same as one page that loads nothing."""
    head = "".join(f"<th>{escape(name)}</th>" for name in COLUMNS)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in _cells(each)) + "</tr>"
        for each in comparisons
    )
    told = "\n".join(f"<p>{escape(each.sentence)}</p>" for each in comparisons)
    notes = "\n".join(f"<li>{escape(note)}</li>" for note in _notes(comparisons))
    table = f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"
    return html_page(TITLE, [told, table, f"<ul>\n{notes}\n</ul>"])


def _cells(each: Comparison) -> tuple[str, ...]:
    return (
        each.engine,
        number(each.before_ms),
        number(each.after_ms),
        with_interval(each.change_percent, each.change_interval, 1),
        each.verdict,
        with_interval(each.accuracy, each.accuracy_interval, 1) if each.accuracy is not None else NOTHING,
    )


def _notes(comparisons: Sequence[Comparison]) -> list[str]:
    notes = [
        note
        for each in comparisons
        for note in (f"compared by {each.how} (95 % intervals)", *each.differences)
    ]
    return [*dict.fromkeys(notes)]
