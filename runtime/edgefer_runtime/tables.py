"""Tables of TOML and objects of JSON, read by the annotations of what they become, with every slip named.

Understood are ``bool``, ``int``, ``float`` (finite), ``str``, ``Any``, literals, tuples, mappings, unions,
dataclasses and ``TypedDict``, and ``Annotated`` with where a value must lie: :class:`Within`, :class:`Line`.
A dataclass is a document in full: keys that it does not have are slips, unless they may be a later version's.
A ``TypedDict`` is what its readers rely on: further keys are passed over.
"""

from __future__ import annotations

import difflib
import math
import re
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from typing import (
    Annotated,
    Any,
    Literal,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from edgefer_runtime.documents import shown
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


@dataclass(frozen=True)
class Line:
    """A line of at most ``longest`` letters without control characters; one that is ``apart`` has no slash.

    Names are such: they are printed, and those of models become parts of paths.
    """

    longest: int = 200
    apart: bool = False

    def __contains__(self, value: str) -> bool:
        slash = self.apart and ("/" in value or "\\" in value)
        return 0 < len(value) <= self.longest and not slash and not _CONTROL.search(value)

    def __str__(self) -> str:
        without = "control characters and slashes" if self.apart else "control characters"
        return f"of 1 to {self.longest} letters without {without}"


@dataclass(frozen=True)
class Filled:
    """A list that is not empty."""

    def __contains__(self, value: Sequence[Any]) -> bool:
        return len(value) > 0

    def __str__(self) -> str:
        return "that is not empty"


_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def read_table(kind: type[T], table: Any, where: str, *, later: bool = False) -> T:
    """A ``kind`` (a dataclass or a ``TypedDict``) from a table.

    Args:
        kind: what to make.
        table: of its fields.
        where: words for messages.
        later: pass over keys that ``kind`` does not have, as a later version may have added them.

    Raises:
        DataError: a key is unknown or missing, or a value is of the wrong kind or out of bounds.
    """
    if is_typeddict(kind):
        return cast(T, _read_typed_dict(kind, table, where))
    values = check_table(kind, table, where, later=later)
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
        raise DataError(f"{where}: {error.found}", expected=error.expected, action=error.action) from error


def check_table(
    kind: type, table: Any, where: str, *, beside: Sequence[str] = (), later: bool = False
) -> dict[str, Any]:
    """The values of a table that need not be complete, converted to what ``kind`` holds.

    Args:
        kind: a dataclass.
        table: of some of its fields.
        where: words for messages.
        beside: keys that the table may have too; they are passed over.
        later: pass over all other keys, too.

    Raises:
        DataError: a key is unknown, or a value is of the wrong kind or out of bounds.
    """
    kinds = _kinds(kind)
    known = [*kinds, *beside]
    if not isinstance(table, Mapping):
        raise DataError(f"{where}: {shown(table)}", expected=f"a table with the keys {', '.join(known)}")
    for key in () if later else table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=3, cutoff=0.5) if len(key) < 99 else []
            raise DataError(
                f"{where}: unknown key {shown(key)}", expected=f"one of {', '.join(near or known)}"
            )
    return {key: convert(table[key], kinds[key], f"{where}: {key}") for key in table if key in kinds}


def require_fields(made: Any, where: str) -> None:
    """Raise unless each field of a dataclass that was made by hand is what its annotation says.

    Raises:
        DataError: one of them is of the wrong kind or out of bounds.
    """
    for name, kind in _kinds(made.__class__).items():
        convert(getattr(made, name), kind, f"{where}: {name}")


def convert(value: Any, kind: Any, name: str) -> Any:
    """``value`` as ``kind``; whole numbers may stand for fractions, never the reverse.

    Raises:
        DataError: it is none; ``name`` is what the message calls it.
    """
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        made = convert(value, inner[0], name)
        if not all(made in bounds for bounds in inner[1:]):
            raise _misfit(value, kind, name)
        return made
    if origin in (Union, types.UnionType):
        return _convert_union(value, kind, name)
    if origin is tuple:
        return _convert_list(value, kind, name)
    if origin is Mapping or origin is dict:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise _misfit(value, kind, name)
        return {key: convert(item, inner[1], f"{name}.{key:.60}") for key, item in value.items()}
    if is_typeddict(kind) or (isinstance(kind, type) and is_dataclass(kind)):
        return value if not is_typeddict(kind) and isinstance(value, kind) else read_table(kind, value, name)
    if not _fits(value, kind):
        raise _misfit(value, kind, name)
    return value


@cache
def _kinds(kind: Any) -> Mapping[str, Any]:
    """What each field of ``kind`` is annotated with."""
    return get_type_hints(kind, include_extras=True)


def _read_typed_dict(kind: type, table: Any, where: str) -> dict[str, Any]:
    kinds = _kinds(kind)
    required = sorted(vars(kind)["__required_keys__"])
    if not isinstance(table, dict):
        raise DataError(f"{where}: {shown(table)}", expected=f"an object with {', '.join(required or kinds)}")
    if missing := [key for key in required if key not in table]:
        raise DataError(f"{where}: no {', '.join(missing)}", expected=f"the keys {', '.join(required)}")
    return table | {key: convert(table[key], kinds[key], f"{where}: {key}") for key in kinds if key in table}


def _convert_union(value: Any, kind: Any, name: str) -> Any:
    members = [each for each in get_args(kind) if each is not types.NoneType]
    if value is None and len(members) < len(get_args(kind)):
        return None
    if len(members) == 1:
        return convert(value, members[0], name)
    fitting = next((each for each in members if _converts(value, each)), None)
    if fitting is None:
        raise _misfit(value, kind, name)
    return convert(value, fitting, name)


def _converts(value: Any, kind: Any) -> bool:
    try:
        convert(value, kind, "")
    except DataError:
        return False
    return True


def _convert_list(value: Any, kind: Any, name: str) -> tuple[Any, ...]:
    inner = get_args(kind)
    if not isinstance(value, (list, tuple)):
        raise _misfit(value, kind, name)
    if inner[1:] == (...,) and {*map(type, value)} == {int} and _is_number(inner[0]):
        for extreme in (min(value), max(value)):  # a record's samples are millions
            convert(extreme, inner[0], name)
        return tuple(value)
    kinds = inner[:1] * len(value) if inner[1:] == (...,) else inner
    if len(value) != len(kinds):
        raise _misfit(value, kind, name)
    return tuple(
        convert(item, each, f"{name}[{place}]")
        for place, (item, each) in enumerate(zip(value, kinds, strict=True))
    )


def _is_number(kind: Any) -> bool:
    return (get_args(kind)[0] if get_origin(kind) is Annotated else kind) in (int, float)


def _fits(value: Any, kind: Any) -> bool:
    if kind is Any:
        return True
    if get_origin(kind) is Literal:
        return any(value == each and type(value) is type(each) for each in get_args(kind))
    if isinstance(value, bool) or kind is bool:
        return kind is bool and isinstance(value, bool)
    if kind is float:
        return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    return isinstance(value, kind)


def _misfit(value: Any, kind: Any, name: str) -> DataError:
    return DataError(f"{name} = {shown(value)}", expected=_words(kind))


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
    if origin is Mapping or origin is dict:
        return "a table" if inner[1] is Any else f"a table of {_words(inner[1])}"
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "a word", Any: "anything"}
    return words.get(kind) or "a table"
