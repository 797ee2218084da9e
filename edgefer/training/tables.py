"""TOML tables read into dataclasses by their annotations, with every slip named.

Understood are ``bool``, ``int``, ``float``, ``str``, literals, tuples, mappings, unions, other dataclasses,
and ``Annotated`` numbers with a :class:`Within`.
"""

from __future__ import annotations

import difflib
import math
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from edgefer_runtime.errors import DataError

T = TypeVar("T")


@dataclass(frozen=True)
class Within:
    """Bounds of a finite number; ``low`` itself is left out where ``above`` says so."""

    low: float
    high: float = math.inf
    above: bool = False

    def __contains__(self, value: float) -> bool:
        inside = self.low < value if self.above else self.low <= value
        return inside and value <= self.high and math.isfinite(value)

    def __str__(self) -> str:
        lower = f"{'above' if self.above else 'from'} {self.low:g}"
        return lower if math.isinf(self.high) else f"{lower} to {self.high:g}"


def read_table(kind: type[T], table: Any, where: str) -> T:
    """A ``kind`` (a dataclass) from a table.

    Raises:
        DataError: a key is unknown or missing, or a value is of the wrong kind or out of bounds.
    """
    values = check_table(kind, table, where)
    required = [
        item.name
        for item in fields(kind)  # type: ignore[arg-type]
        if item.default is MISSING and item.default_factory is MISSING
    ]
    if missing := [name for name in required if name not in values]:
        raise DataError(f"{where}: no {', '.join(missing)}", expected=f"the keys {', '.join(required)}")
    try:
        return kind(**values)
    except DataError as error:
        raise DataError(f"{where}: {error.found}", expected=error.expected) from error


def check_table(kind: type, table: Any, where: str, *, beside: Sequence[str] = ()) -> dict[str, Any]:
    """The values of a table that need not be complete, converted to what ``kind`` holds.

    Args:
        kind: a dataclass.
        table: of some of its fields.
        where: words for messages.
        beside: keys that the table may have too; they are passed over.

    Raises:
        DataError: a key is unknown, or a value is of the wrong kind or out of bounds.
    """
    kinds = get_type_hints(kind, include_extras=True)
    known = [*kinds, *beside]
    if not isinstance(table, Mapping):
        raise DataError(f"{where}: {table!r}", expected=f"a table with the keys {', '.join(known)}")
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=3, cutoff=0.5)
            raise DataError(f"{where}: unknown key {key!r}", expected=f"one of {', '.join(near or known)}")
    return {key: _convert(table[key], kinds[key], f"{where}: {key}") for key in table if key in kinds}


def _convert(value: Any, kind: Any, name: str) -> Any:
    """``value`` as ``kind``; whole numbers may stand for fractions, never the reverse."""
    if is_dataclass(kind) and isinstance(kind, type):
        return read_table(kind, value, name)
    if not _fits(value, kind):
        raise DataError(f"{name} = {value!r}", expected=_words(kind))
    return _frozen(value)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


def _fits(value: Any, kind: Any) -> bool:
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _fits(value, inner[0]) and all(value in bounds for bounds in inner[1:])
    if origin in (Union, types.UnionType):
        return any(_fits(value, each) for each in inner)
    if origin is Literal:
        return value in inner
    if origin is tuple:
        kinds = inner[:1] * len(value) if inner[1:] == (...,) else inner
        return (
            len(value) == len(kinds) and all(map(_fits, value, kinds)) if isinstance(value, list) else False
        )
    if origin is Mapping:
        return isinstance(value, dict) and all(_fits(item, inner[1]) for item in value.values())
    if isinstance(value, bool) or kind is bool:
        return kind is bool and isinstance(value, bool)
    return isinstance(value, (int, float) if kind is float else kind)


def _words(kind: Any) -> str:
    """``kind`` as a person would say it."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return " ".join([_words(inner[0]), *map(str, inner[1:])])
    if origin in (Union, types.UnionType):
        return " or ".join(_words(each) for each in inner if each is not types.NoneType)
    if origin is Literal:
        return ("one of " if len(inner) > 1 else "") + ", ".join(map(str, inner))
    if origin is tuple:
        many = inner[1:] == (...,)
        return f"a list of {_words(inner[0])}" if many else f"[{', '.join(map(_words, inner))}]"
    if origin is Mapping:
        return f"a table of {_words(inner[1])}"
    return {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}[kind]
