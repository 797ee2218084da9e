"""A log that cannot be filled from outside: what repeats is told once in a while, with how often it was."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from dataclasses import dataclass

INTERVAL_S = 10.0
KINDS = 256
"""Different messages that are remembered."""


@dataclass(slots=True)
class _Seen:
    at_s: float
    more: int = 0


class OnceInAWhile(logging.Filter):
    """Lets a warning or error pass that was not logged for :data:`INTERVAL_S`; the others are counted."""

    def __init__(self, interval_s: float = INTERVAL_S) -> None:
        super().__init__()
        self._interval_s = interval_s
        self._seen: OrderedDict[tuple[str, str, str], _Seen] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether ``record`` is logged."""
        if record.levelno < logging.WARNING:
            return True
        kind, now = (record.name, str(record.msg), repr(record.args)), time.monotonic()
        seen = self._seen.get(kind)
        if seen is not None and now - seen.at_s < self._interval_s:
            seen.more += 1
            return False
        if seen is not None and seen.more:
            record.msg = f"{record.msg} ({seen.more} more like it before this one)"
        self._seen[kind] = _Seen(now)
        self._seen.move_to_end(kind)
        if len(self._seen) > KINDS:
            self._seen.popitem(last=False)
        return True


ONCE_IN_A_WHILE = OnceInAWhile()
"""The one that all loggers of the server share."""
