"""Holding records of two occasions against each other."""

from __future__ import annotations

import math
from pathlib import Path

from edgefer_bench.comparison import Comparison, compare
from edgefer_bench.records import read_records
from edgefer_runtime.errors import UsageError


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
