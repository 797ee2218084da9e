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

from edgefer_bench.record_shape import RecordShape, require_consistent
from edgefer_runtime.documents import read_json, require_schema
from edgefer_runtime.errors import DataError
from edgefer_runtime.files import replacing
from edgefer_runtime.tables import read_table

SCHEMA = "edgefer.bench/1"
SUFFIX = ".bench.json"
AGAIN = "name a file written by `edgefer bench`, or measure again with this version"

Record = dict[str, Any]

LIMIT_BYTES = 512 << 20
"""Of a record: ten minutes of an engine that takes 0.2 ms are some 50 MB of samples."""

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
    try:
        read_table(RecordShape, record, "record")
    except DataError as error:
        raise ValueError(f"not a record: {error.found}; expected: {error.expected}") from error
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
    record = require_schema(
        read_json(path, limit_bytes=LIMIT_BYTES, action=AGAIN), SCHEMA, str(path), action=AGAIN
    )
    try:
        read_table(RecordShape, record, str(path))
        require_consistent(record, str(path))
    except DataError as error:
        raise DataError(error.found, expected=error.expected, action=AGAIN) from error
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


def _unreadable(path: Path, found: str) -> DataError:
    return DataError(
        f"{path}: {found}",
        expected=f"a record of schema {SCHEMA}",
        action=AGAIN,
    )
