"""The strict reader of what comes from elsewhere: JSON and TOML, from files, archives and other machines.

A text is read only up to a limit, must be UTF-8, and must hold what can be written again and reckoned with:
no key twice, no NaN or infinity, no whole number beyond 128 bits, no half of a letter, nothing nested deeper
than any document of ours. What its fields must be, :mod:`edgefer_runtime.tables` checks.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from edgefer_runtime.errors import DataError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LIMIT_BYTES = 4 << 20
"""Of a document, unless its reader knows better."""

DEPTH_LIMIT = 32
INTEGER_LIMIT = 1 << 128
SHOWN = 80
"""Characters of a value that a message quotes."""

AGAIN = "copy it again, or have it made again"


def parse_json(data: bytes, name: str, *, limit_bytes: int = LIMIT_BYTES, action: str = AGAIN) -> Any:
    """The value of a JSON text.

    Args:
        data: the text, UTF-8.
        name: what messages call it.
        limit_bytes: what ``data`` may have.
        action: what messages advise.

    Raises:
        DataError: it is no JSON, too long, or holds what this module's head forbids.
    """
    text = _decoded(data, name, limit_bytes, "JSON", action)
    try:
        value = json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{name} is no JSON ({error})", expected="one whole JSON value, no key twice", action=action
        ) from error
    return _require_sound(value, name, action)


def read_json(path: Path, *, limit_bytes: int = LIMIT_BYTES, action: str = AGAIN) -> Any:
    """The value of a JSON file, of which no more than ``limit_bytes`` is read; else as :func:`parse_json`.

    Raises:
        DataError: as :func:`parse_json`, or it cannot be read.
    """
    return parse_json(_read(path, limit_bytes, action), str(path), limit_bytes=limit_bytes, action=action)


def read_toml(path: Path, *, action: str = "mend the file") -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        DataError: it cannot be read, is no TOML, too long, or holds what this module's head forbids.
    """
    text = _decoded(_read(path, LIMIT_BYTES, action), str(path), LIMIT_BYTES, "TOML", action)
    try:
        tables = tomllib.loads(text.replace("\r\n", "\n"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is no TOML ({error})", expected="TOML tables", action=action) from error
    return dict(_require_sound(tables, str(path), action))


def require_schema(value: Any, schema: str, name: str, *, action: str) -> dict[str, Any]:
    """``value``, which must be an object that says it is of ``schema``.

    Raises:
        DataError: it is none, or of another schema.
    """
    if not isinstance(value, dict):
        raise DataError(f"{name}: {shown(value)}", expected=f"an object of schema {schema}", action=action)
    if value.get("schema") != schema:
        raise DataError(f"{name}: schema {shown(value.get('schema'))}", expected=schema, action=action)
    return value


def shown(value: Any) -> str:
    """``value`` as a message quotes it: in Python's notation, cut short."""
    if isinstance(value, (list, tuple, dict)) and len(value) > SHOWN:
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value):,}"
    text = repr(value[: 2 * SHOWN] if isinstance(value, str) else value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _read(path: Path, limit_bytes: int, action: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(limit_bytes + 1)
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing", expected="a file", action=action) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise DataError(
            f"{path} cannot be read ({reason})", expected="a readable file", action=action
        ) from error


def _decoded(data: bytes, name: str, limit_bytes: int, kind: str, action: str) -> str:
    if len(data) > limit_bytes:
        raise DataError(
            f"{name} has more than {limit_bytes:,} bytes", expected="a shorter one", action=action
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{name} is no {kind} ({error})", expected="text in UTF-8", action=action) from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise ValueError(f"the key {shown(twice)} stands twice")
    return made


def _require_sound(value: Any, name: str, action: str) -> Any:
    """``value``, once no part of it is what this module's head forbids."""
    waiting: list[tuple[Any, tuple[str, ...]]] = [({"": value}, ())]
    while waiting:
        outer, path = waiting.pop()
        items: Iterable[tuple[Any, Any]] = outer.items() if isinstance(outer, dict) else enumerate(outer)
        for key, item in items:
            if isinstance(item, (dict, list)):
                if len(path) > DEPTH_LIMIT:
                    raise _unsound(name, path, f"more than {DEPTH_LIMIT} levels", "flatter data", action)
                waiting.append((item, (*path, str(key))))
            elif fault := _fault(item):
                raise _unsound(name, (*path, str(key)), *fault, action)
            if isinstance(key, str) and (fault := _fault(key)):
                raise _unsound(name, path, f"the key {shown(key)}", fault[1], action)
    return value


def _fault(value: Any) -> tuple[str, str] | None:
    """What is wrong with a value that holds no others, and what was expected."""
    if isinstance(value, float):
        return None if math.isfinite(value) else (f"{value}", "a finite number")
    if isinstance(value, int):
        return None if abs(value) < INTEGER_LIMIT else ("a number beyond 128 bits", "a smaller whole number")
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return shown(value), "whole letters of Unicode"
    return None


def _unsound(name: str, path: tuple[str, ...], found: str, expected: str, action: str) -> DataError:
    where = ".".join(path[1:])[:SHOWN]
    return DataError(f"{name}: {f'{where} = ' if where else ''}{found}", expected=expected, action=action)
