"""The certificate: every check of an export with its numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from edgefer_export.checks.check import Check
from edgefer_runtime.errors import CheckError

SCHEMA = "edgefer.certificate/1"


def certificate(checks: Iterable[Check]) -> dict[str, Any]:
    """The certificate of ``checks`` as a JSON object."""
    return {"schema": SCHEMA, "checks": [check.to_json() for check in checks]}


def require(checks: Iterable[Check]) -> None:
    """Raise unless every check passed.

    Raises:
        CheckError: names each failed row with what it measured and its limit.
    """
    failed = [check for check in checks if not check.passed]
    if failed:
        raise CheckError(
            "\n".join(f"check {check.name} failed: {check.detail}" for check in failed),
            expected="; ".join(
                f"{check.name} within {check.limit:g} {check.unit} (measured {check.measured:.3g})"
                for check in failed
            ),
            action="mend what the rows above name and export again; nothing was written",
        )
