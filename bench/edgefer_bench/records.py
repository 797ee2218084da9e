"""Bench records: one JSON file a bundle and run, from which every table and comparison is rendered.

A store is a folder that only grows: a record is written beside and renamed into place, under a name no
other run has, and never changed. Every raw sample is kept in the order it was taken.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from edgefer_runtime.errors import DataError
from edgefer_runtime.files import replacing

SCHEMA = "edgefer.bench/1"
SUFFIX = ".bench.json"

Record = dict[str, Any]

_TEXT, _COUNT, _NUMBER, _OBJECT = (str,), (int,), (int, float), (dict,)
_MISSING = (type(None),)

FIELDS: Mapping[str, tuple[type, ...]] = {
    "run": _TEXT,
    "created": _TEXT,
    "command": _TEXT,
    "model": _TEXT,
    "variant": _TEXT,
    "target": _TEXT,
    "precision": _TEXT,
    "provider": _TEXT,
    "scenario": _TEXT,
    "threads": _COUNT,
    "batch": _COUNT,
    "p50_ms": _NUMBER + _MISSING,
    "p90_ms": _NUMBER + _MISSING,
    "p99_ms": _NUMBER + _MISSING,
    "load_ms": _NUMBER + _MISSING,
    "first_call_ms": _NUMBER + _MISSING,
    "peak_memory_mb": _NUMBER + _MISSING,
    "size_mb": _NUMBER,
    "accuracy": _NUMBER,
    "accuracy_interval": (list,),
    "accuracy_drop": _NUMBER + _MISSING,
    "accuracy_drop_ci": (list, *_MISSING),
    "id": _NUMBER + _MISSING,
    "bundle": _OBJECT,
    "footprint": _OBJECT,
    "faces": _OBJECT,
    "latency": _OBJECT,
    "evaluation": _OBJECT,
    "drop": _OBJECT,
    "speedup": _OBJECT,
    "stability": _OBJECT,
    "environment": _OBJECT,
    "settings": _OBJECT,
    "samples": _OBJECT,
}
"""Every record's fields beside ``schema``. Times are in ms, sizes in MB (1e6 bytes), accuracy in percent,
its drop in points, ``id`` in percent per million parameters; null where a number could not be had, the
reason being in the object that belongs to it."""


LATER_FIELDS: Mapping[str, Any] = {
    "device": None,
    "host": None,
    "board": {},
    "conditions": {},
    "times": {},
    "scenarios": {},
    "energy": {},
}
"""Fields that early records of this schema lack, with what a reader finds in their place: the device's
profile; the host it was reached at, null for the machine at hand; what the board is; temperatures, clocks,
throttling and pinning; the nested times kernel, infer and pipeline; what other scenarios measured; energy."""


def new_run(now: datetime | None = None) -> str:
    """A run's name: its UTC time, to be read and sorted, and eight random digits, to be unique."""
    now = now or datetime.now(timezone.utc)
    return f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def write_records(records: Sequence[Record], folder: Path) -> list[Path]:
    """Add the records of one run to the store in ``folder``; returns their paths.

    Raises:
        DataError: the folder cannot be written to, or it already holds these records.
        ValueError: a record lacks a field or holds a number that is not finite.
    """
    return [_write(record, folder, position) for position, record in enumerate(records)]


def _write(record: Record, folder: Path, position: int) -> Path:
    if problem := _problem(record):
        raise ValueError(f"not a record: {problem}")
    parts = (record["run"], f"{position:02d}", record["model"], record["target"], record["precision"])
    path = folder / ("-".join(parts) + SUFFIX)
    if path.exists():
        raise DataError(
            f"{path}: exists", expected="a run that is not in the store", action="name another folder"
        )
    head = json.dumps(without_samples(record), indent=2, ensure_ascii=False, allow_nan=False)
    samples = json.dumps(record["samples"], separators=(",", ":"), allow_nan=False)
    with replacing(path) as temporary:
        temporary.write_text(f'{head[:-2]},\n  "samples": {samples}\n}}\n', encoding="utf-8")
    return path


def read_record(path: Path) -> Record:
    """The record in a file.

    Raises:
        DataError: no such file, no JSON, another schema, or a field missing or of the wrong kind.
    """
    try:
        record = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _unreadable(path, f"cannot be read ({error})") from error
    schema = record.get("schema") if isinstance(record, dict) else None
    if schema != SCHEMA:
        raise _unreadable(path, f"has schema {schema!r}")
    if problem := _problem(record):
        raise _unreadable(path, problem)
    return {**LATER_FIELDS, **record}


def read_records(place: Path) -> list[Record]:
    """All records in a store, oldest run first, each run in the order it was measured; of a file, its one.

    Raises:
        DataError: no records there, or one that cannot be read.
    """
    paths = sorted(place.glob(f"*{SUFFIX}")) if place.is_dir() else [place]
    if not paths:
        raise _unreadable(place, "holds no records")
    return [read_record(path) for path in paths]


def without_samples(record: Record) -> Record:
    """The record as people and pipes want it: all but the raw samples."""
    return {name: value for name, value in record.items() if name != "samples"}


def _problem(record: Record) -> str | None:
    for name, kinds in FIELDS.items():
        if name not in record:
            return f"has no field {name!r}"
        if not isinstance(record[name], kinds) or isinstance(record[name], bool):
            return f"holds {record[name]!r:.40} as {name!r}"
    return None


def _unreadable(path: Path, found: str) -> DataError:
    return DataError(
        f"{path}: {found}",
        expected=f"a record of schema {SCHEMA}",
        action="name a file written by `edgefer bench`, or measure again with this version",
    )
