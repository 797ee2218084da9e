"""When a number may be quoted: what speaks against it, as sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgefer_runtime.errors import CheckError

LEAST_S = 60.0
PUBLISH_S = 600.0
"""Timed seconds an engine of a run that is meant to be published, as MLPerf asks for."""


def doubts(record: Mapping[str, Any]) -> list[str]:
    """Why a record should not be published; empty when nothing speaks against it."""
    conditions, settings = record.get("conditions") or {}, record["settings"]
    found = list(record["stability"]["reasons"])
    if settings["duration_s"] < LEAST_S:
        found.append(f"{settings['duration_s']:g} s an engine, which is less than {LEAST_S:g}")
    if record["latency"].get("p99_upper_ms") is None:
        found.append(f"{record['latency']['samples']} calls are too few for a bound on the 99th percentile")
    if throttled := conditions.get("throttled_by"):
        found.append(f"the machine was held back by {', '.join(throttled)}")
    found.extend(record["environment"].get("warnings", ()))
    return found


def require_publishable(records: Sequence[Mapping[str, Any]]) -> None:
    """Raise unless every record may be published.

    Raises:
        CheckError: the first few reasons why not.
    """
    against: dict[str, list[str]] = {}
    for record in records:
        for doubt in doubts(record):
            against.setdefault(doubt, []).append(f"{record['target']} {record['precision']}")
    if against:
        reasons = "\n".join(
            f"- {doubt} ({'all engines' if len(engines) == len(records) else ', '.join(engines)})"
            for doubt, engines in against.items()
        )
        raise CheckError(
            f"this run is not fit to be published:\n{reasons}",
            expected="a machine that is warm, quiet and not held back, for long enough",
            action="mend these (see `edgefer doctor`) and measure again; the records are kept as they are",
        )
