"""One error tree for the whole project; each class carries the command line's exit code.

    EdgeferError            anything a user can cause or mend
    ├── UsageError       2  a command was called with words that do not fit
    ├── DataError        3  a file, image or data set is not what it should be
    ├── CheckError       4  a check of an export failed
    ├── BudgetError      5  the accuracy budget was exceeded
    ├── MissingError     6  something is not installed; the action names the pip command
    └── DeviceError      7  the device or host is not what was asked for

A broken invariant of our own is no EdgeferError: it stays an ordinary exception with its traceback.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
"""What a terminal obeys, or what turns, hides or breaks a line, instead of a letter; lone surrogates, which
cannot be printed at all. Line ends and tabs are let through."""


def visible(text: str) -> str:
    r"""``text`` with control characters, terminal escapes and marks of direction written out, as ``\x1b``."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class EdgeferError(Exception):
    """A failure that its message explains.

    What is told often quotes something read from elsewhere, so its control characters are made visible.

    Args:
        found: what was met, as a sentence without the final stop.
        expected: what should have been there.
        action: what the user can do next.
    """

    SCHEMA: ClassVar[str] = "edgefer.error/1"
    exit_code = 1

    def __init__(self, found: str, *, expected: str = "", action: str = "") -> None:
        self.found, self.expected, self.action = visible(found), visible(expected), visible(action)
        super().__init__(self.found)

    def __str__(self) -> str:
        lines = [self.found]
        if self.expected:
            lines.append(f"expected: {self.expected}")
        if self.action:
            lines.append(f"to do: {self.action}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """The failure as a JSON object; ``code`` names its kind: ``usage``, ``data``, ``check``, ..."""
        return {
            "schema": self.SCHEMA,
            "code": type(self).__name__.removesuffix("Error").lower(),
            "found": self.found,
            "expected": self.expected,
            "to_do": self.action,
            "exit_code": self.exit_code,
        }


def kind_of(exit_code: int) -> type[EdgeferError]:
    """The class whose exit code a process of ours ended with; a device's failure for any other."""
    return {kind.exit_code: kind for kind in EdgeferError.__subclasses__()}.get(exit_code, DeviceError)


class UsageError(EdgeferError):
    """A command was called with words that do not fit."""

    exit_code = 2


class DataError(EdgeferError):
    """A file, image or data set is not what it should be."""

    exit_code = 3


class CheckError(EdgeferError):
    """A check of an export failed."""

    exit_code = 4


class BudgetError(EdgeferError):
    """The accuracy budget was exceeded."""

    exit_code = 5


class MissingError(EdgeferError):
    """Something is not installed; ``action`` names the pip command."""

    exit_code = 6


class DeviceError(EdgeferError):
    """The device or host is not what was asked for."""

    exit_code = 7
