"""What the library tells of face sets, on standard error while a command works on them."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from edgefer.cli._ending import tell

FACES = "edgefer.faces"
"""The logger that tells what was understood of a face set."""
Report = Callable[[str, int, int], None]
Bar = Callable[..., AbstractContextManager[Report]]


class _ToPeople(logging.Handler):
    """A line on standard error for each message."""

    def __init__(self) -> None:
        super().__init__()
        self.told: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Say it, once."""
        text = record.getMessage()
        if text not in self.told:
            self.told.add(text)
            tell(f"note: {text}" if record.levelno > logging.INFO else text)


def telling(bar: Callable[[bool], AbstractContextManager[Report]]) -> Bar:
    """A progress bar under which people are told of face sets, unless it is quiet."""

    @functools.wraps(bar)
    @contextmanager
    def both(quiet: bool = False) -> Iterator[Report]:
        logger, handler = logging.getLogger(FACES), _ToPeople()
        before = logger.level, logger.propagate
        if not quiet:
            logger.addHandler(handler)
            logger.setLevel(logging.INFO)
            logger.propagate = False
        try:
            with bar(quiet) as report:
                yield report
        finally:
            logger.removeHandler(handler)
            logger.setLevel(before[0])
            logger.propagate = before[1]

    return both
