"""Holding records of two occasions against each other."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from edgefer_bench.comparison import Comparison, compare
from edgefer_bench.records import read_records
from edgefer_runtime.errors import UsageError
from edgefer_runtime.files import require_writable, write_whole

FORMS = (".md", ".html")


def compare_places(
    before: Path, after: Path, *, limit: float, across_machines: bool = False
) -> list[Comparison]:
    """Compare two records, or each engine that is in two stores.

    Raises:
        DataError: a place without records, or no engine in both.
        DeviceError: records of two machines, and not ``across_machines``.
    """
    return compare(read_records(before), read_records(after), limit=limit, across_machines=across_machines)


def share(text: str) -> float:
    """``3%`` or ``3`` as 0.03.

    Raises:
        UsageError: no percentage.
    """
    try:
        percent = float(text.strip().removesuffix("%"))
    except ValueError:
        percent = math.nan
    if not 0 <= percent < math.inf:
        raise UsageError(f"{text!r} is no percentage", expected="a number like 3%", action="say 3%")
    return percent / 100


def require_output(path: Path) -> None:
    """Notice before the work what would stop a written comparison after it.

    Raises:
        UsageError: ``path`` does not end in one of :data:`FORMS`.
        DataError: it cannot be written.
    """
    if path.suffix not in FORMS:
        raise UsageError(f"{path}: no comparison's name", expected=f"a name that ends in {', '.join(FORMS)}")
    require_writable(path)


def write_comparison(comparisons: Sequence[Comparison], path: Path) -> None:
    """Write comparisons as Markdown or HTML, as the suffix says.

    Raises:
        UsageError, DataError: as :func:`require_output`.
    """
    from edgefer_bench.comparison_page import comparison_html, comparison_markdown

    require_output(path)
    render: Callable[[Sequence[Comparison]], str] = (
        comparison_html if path.suffix == ".html" else comparison_markdown
    )
    write_whole(path, render(comparisons).encode())
