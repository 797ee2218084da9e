"""Lists that come with face sets: text and csv files, read as strictly as strangers' files must be."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from edgefer_runtime.errors import DataError
from edgefer_runtime.files import is_inside

LONGEST_LINE = 1 << 16
"""Characters; the longest honest line is AffectNet's, some two thousand."""


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number (from 1) and text of each line that is not blank, without a byte-order mark or line ends.

    Raises:
        DataError: the file is missing, empty, no UTF-8 text, or has a line of over 65,536 characters.
    """
    found = False
    try:
        with path.open(encoding="utf-8-sig", newline=None) as stream:
            for number, line in enumerate(iter(lambda: stream.readline(LONGEST_LINE + 1), ""), 1):
                if len(line) > LONGEST_LINE:
                    raise DataError(
                        f"{path}, line {number}: more than {LONGEST_LINE:,} characters",
                        expected="one face a line",
                        action="get the list anew; this one is damaged",
                    )
                if text := line.strip():
                    found = True
                    yield number, text
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} cannot be read as text ({error})",
            expected="a list in UTF-8",
            action="get the list anew, or save it as UTF-8",
        ) from error
    if not found:
        raise DataError(f"{path} is empty", expected="one face a line", action="get the list anew")


def records(path: Path, separator: str = ",") -> Iterator[tuple[int, list[str]]]:
    """Line number and stripped fields of each row of a csv file without a header.

    Raises:
        DataError: as :func:`lines`, or a row that is no csv.
    """
    return ((number, _fields(path, number, line, separator)) for number, line in lines(path))


def _fields(path: Path, number: int, line: str, separator: str) -> list[str]:
    try:
        return [field.strip() for field in next(csv.reader([line], delimiter=separator, strict=True))]
    except csv.Error as error:
        raise DataError(
            f"{path}, line {number}: {error}",
            expected=f"fields separated by {separator!r}",
            action="mend the line",
        ) from error


def rows(path: Path, required: Sequence[str], separator: str = ",") -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and fields by lower-case column name of each row of a csv file with a header.

    Raises:
        DataError: as :func:`records`, a required column is missing, or a row has another number of fields.
    """
    table = records(path, separator)
    _, header = next(table)
    header = [name.lower() for name in header]
    if missing := [name for name in required if name.lower() not in header]:
        separators = [mark for mark in (";", "\t", "|") if len(header) == 1 and mark in header[0]]
        raise DataError(
            f"{path}: no column {', '.join(missing)} in its first line ({', '.join(header)[:80]})",
            expected=f"columns {', '.join(required)}, separated by commas",
            action=f"save it with commas in place of {separators[0]!r}" if separators else "add the columns",
        )
    for number, fields in table:
        if len(fields) != len(header):
            raise DataError(
                f"{path}, line {number}: {len(fields)} fields for {len(header)} columns",
                expected="one field a column",
                action="mend the line",
            )
        yield number, dict(zip(header, fields, strict=True))


def separator_of(path: Path) -> str:
    """What separates the fields of the first line: as spreadsheets write it, a comma, semicolon or tab."""
    try:
        first = next(lines(path))[1]
    except DataError:
        return ","
    return "," if "," in first else next((mark for mark in ";\t" if mark in first), ",")


def columns(path: Path, separator: str = ",") -> list[str]:
    """The lower-case words of the first line; none where the file cannot be read as a table."""
    try:
        return [name.lower() for name in next(records(path, separator))[1]]
    except DataError:
        return []


def whole_number(text: str) -> int:
    """The number that up to nine digits write; -1 for anything else."""
    return int(text) if text.isdecimal() and len(text) < 10 else -1


def beside(folder: Path, name: str) -> Path | None:
    """The file that a list calls ``name``, or None where the name would lead out of ``folder``."""
    return folder / name if is_inside(name) else None


def first_of(folder: Path, names: Iterable[str]) -> Path | None:
    """The first of the relative ``names`` that exists in ``folder``."""
    return next((folder / name for name in names if (folder / name).exists()), None)
