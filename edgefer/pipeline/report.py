"""From stores of records to one file to look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edgefer_bench.records import read_records
from edgefer_runtime.errors import UsageError
from edgefer_runtime.files import require_writable, write_whole

KINDS = (".html", ".md", ".csv")


def write_report(places: Sequence[Path], output: Path) -> int:
    """Write the records at ``places`` to ``output``, as its suffix says; returns how many there are.

    Raises:
        UsageError: a suffix that is none of :data:`KINDS`.
        DataError: a place without records, or a disk that is full.
    """
    from edgefer_bench.report.page import render_page
    from edgefer_bench.report.sheets import render_csv, render_markdown

    renderers: dict[str, Callable[[Sequence[Any]], str]] = dict(
        zip(KINDS, (render_page, render_markdown, render_csv), strict=True)
    )
    if output.suffix not in renderers:
        raise UsageError(f"{output}: no report's name", expected=f"a name that ends in {', '.join(KINDS)}")
    require_writable(output)
    records = sorted(
        (record for place in places for record in read_records(place)), key=lambda record: record["run"]
    )
    write_whole(output, renderers[output.suffix](records).encode())
    return len(records)
