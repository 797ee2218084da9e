"""What the library tells of face sets, on standard error while a command works on them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from edgefer.cli._ending import tell

if TYPE_CHECKING:
    import logging

FACES = "edgefer.faces"
"""The logger that tells what was understood of a face set."""
Report = Callable[[str, int, int], None]
Bar = Callable[..., AbstractContextManager[Report]]


def telling(bar: Callable[[bool], AbstractContextManager[Report]]) -> Bar:
    """A progress bar under which people are told of face sets, unless it is quiet."""

    @functools.wraps(bar)
    @contextmanager
    def both(quiet: bool = False) -> Iterator[Report]:
        import logging  # here: `edgefer --help` tells nothing

        logger, told = logging.getLogger(FACES), set[str]()
        before = logger.level

        def say_once(record: logging.LogRecord) -> bool:
            text = record.getMessage()
            if text not in told:
                told.add(text)
                tell(f"note: {text}" if record.levelno > logging.INFO else text)
            return False

        if not quiet:
            logger.addFilter(say_once)  # which lets nothing through to other handlers
            logger.setLevel(logging.INFO)
        try:
            with bar(quiet) as report:
                yield report
        finally:
            logger.removeFilter(say_once)
            logger.setLevel(before)

    return both
