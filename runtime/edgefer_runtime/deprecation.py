"""Names that go: a warning now, a failing test when they are overdue."""

from __future__ import annotations

import warnings

from edgefer_runtime import __version__


def deprecate(name: str, *, use: str, remove_in: str, stacklevel: int = 3) -> None:
    """Warn whoever called the caller that ``name`` goes.

    Args:
        name: what is deprecated, as its user writes it.
        use: what takes its place.
        remove_in: the version without it, such as ``"0.3"``.
        stacklevel: how far up the warned line is; 3 is the caller of the deprecated function.
    """
    message = f"{name} is deprecated and goes in edgefer {remove_in}; use {use}"
    warnings.warn(message, DeprecationWarning, stacklevel=stacklevel)


def is_due(version: str) -> bool:
    """Whether ``version`` is this one or an earlier one; only the leading numbers count."""
    return _numbers(__version__) >= _numbers(version)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
