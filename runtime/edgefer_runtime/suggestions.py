"""Names that nobody knows, answered with those that were perhaps meant."""

from __future__ import annotations

from collections.abc import Iterable

from edgefer_runtime.errors import EdgeferError, UsageError

ALIKE = 0.6
"""Least likeness of a suggestion, as :mod:`difflib` measures it."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``did you mean pattlite?``; empty where nothing known is like ``name``."""
    from difflib import get_close_matches  # only a mistake needs it

    by_folded = {each.casefold(): each for each in known}
    close = get_close_matches(name.casefold(), by_folded, n=1, cutoff=ALIKE)
    return f"did you mean {by_folded[close[0]]}?" if close else ""


def unknown(
    what: str, name: str, known: Iterable[str], *, action: str = "", kind: type[EdgeferError] = UsageError
) -> EdgeferError:
    """The error for a name that is none of those known.

    Args:
        what: what it should name, such as ``target``.
        name: as the user wrote it.
        known: all that there are.
        action: what to do where nothing known is like ``name``, and beside a suggestion.
        kind: class of the error.
    """
    names = [*known]
    todo = " ".join(filter(None, (did_you_mean(name, names), action)))
    return kind(f"unknown {what} {name!r}", expected=f"one of {', '.join(names)}", action=todo)
