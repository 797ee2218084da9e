"""The certificate: every check of an export with its numbers, and what it takes to repeat some of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from edgefer_export.checks.check import Check
from edgefer_runtime.errors import CheckError

if TYPE_CHECKING:
    from edgefer_export.evidence import Evidence

SCHEMA = "edgefer.certificate/1"


def certificate(checks: Iterable[Check], evidence: Evidence | None = None) -> dict[str, Any]:
    """The certificate of ``checks`` as a JSON object, with ``evidence`` for whoever checks again."""
    value: dict[str, Any] = {"schema": SCHEMA, "checks": [check.to_json() for check in checks]}
    return value if evidence is None else {**value, "evidence": evidence.to_json()}


def require(
    checks: Iterable[Check],
    action: str = "mend what the rows above name and export again; nothing was written",
) -> None:
    """Raise unless every check passed.

    Raises:
        CheckError: names each failed row with what it measured and its limit; ``action`` says what to do.
    """
    failed = [check for check in checks if not check.passed]
    if failed:
        raise CheckError(
            "\n".join(f"check {check.name} failed: {check.detail}" for check in failed),
            expected="; ".join(
                f"{check.name} within {check.limit:g} {check.unit} (measured {check.measured:.3g})"
                for check in failed
            ),
            action=action,
        )
