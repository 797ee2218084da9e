"""One row of a certificate."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Check:
    """What was measured, and the limit it was held against.

    Attributes:
        name: the row's name, e.g. ``parity/onnxruntime``.
        passed: whether ``measured`` keeps ``limit``.
        measured, limit: in ``unit``.
        unit: what the numbers count.
        detail: how it was measured, and the guilty part when it failed.
    """

    name: str
    passed: bool
    measured: float
    limit: float
    unit: str
    detail: str

    @classmethod
    def at_most(cls, name: str, measured: float, limit: float, unit: str, detail: str) -> Check:
        """A check passed when ``measured`` <= ``limit``; not-a-number fails."""
        return cls(name, bool(measured <= limit), float(measured), float(limit), unit, detail)

    @classmethod
    def at_least(cls, name: str, measured: float, limit: float, unit: str, detail: str) -> Check:
        """A check passed when ``measured`` >= ``limit``; not-a-number fails."""
        return cls(name, bool(measured >= limit), float(measured), float(limit), unit, detail)

    def to_json(self) -> dict[str, Any]:
        """The row as a JSON object."""
        return asdict(self)
