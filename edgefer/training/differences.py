"""What differs between the settings of two trainings, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

SHOWN = 6
"""Differences that a message lists."""

_ABSENT = object()


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """One line a difference between two JSON objects: where it is, what it was, what it is now.

    Face sets (objects with a ``fingerprint``) are the same if that is, whatever they are called. Keys that
    ``before`` does not know are passed over where their value is none.
    """
    return list(_between("", before, now))


def listed(lines: Sequence[str]) -> str:
    """Differences as a part of a sentence."""
    more = f"; {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
    return "; ".join(lines[:SHOWN]) + more


def _between(name: str, before: Any, now: Any) -> Sequence[str]:
    if before == now or (before is _ABSENT and now in (None, False)):
        return []
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        if name and "fingerprint" in before and "fingerprint" in now:
            return _between_sets(name, before, now)
        keys = dict.fromkeys([*before, *now])
        return [
            line
            for key in keys
            for line in _between(
                f"{name}, {key}" if name else str(key), before.get(key, _ABSENT), now.get(key, _ABSENT)
            )
        ]
    tables = isinstance(before, list) and isinstance(now, list) and len(before) == len(now)
    if tables and all(isinstance(each, Mapping) for each in (*before, *now)):
        return [
            line
            for number, pair in enumerate(zip(before, now, strict=True), 1)
            for line in _between(f"{name.removesuffix('s')} {number}", *pair)
        ]
    return [f"{name}: {_word(before)} before, {_word(now)} now"]


def _between_sets(name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> Sequence[str]:
    if before["fingerprint"] == now["fingerprint"]:
        return []
    words = [f"{each.get('images')} faces of {each.get('name')}" for each in (before, now)]
    if words[0] == words[1]:
        return [f"{name}: other pictures or labels than before in {words[0]}"]
    return [f"{name}: {words[0]} before, {words[1]} now"]


def _word(value: Any) -> str:
    if value is _ABSENT or value is None:
        return "none"
    if isinstance(value, list) and value and all(isinstance(each, Mapping) for each in value):
        return str(len(value))
    if isinstance(value, Mapping):
        return str(value.get("sha256") or value.get("name") or dict(value))
    return str(value)
