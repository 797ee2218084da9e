"""How a command ends before its end: a mistake, Ctrl-C, a signal, a reader that left.

What is told goes to standard error, as text, or under ``--json`` as one line of JSON (schema
``edgefer.error/1``), the last one there. Standard output holds a command's result or nothing.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, TypeVar

import typer

from edgefer_runtime.errors import EdgeferError, UsageError, visible

F = TypeVar("F", bound=Callable[..., Any])

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells use it: 128 + SIGINT."""

ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Signals that end a command; it exits with 128 and their number."""

KEPT = "nothing half-written was left behind"


class Session:
    """Switches that hold for the whole call."""

    debug = False


class Terminated(BaseException):
    """A signal asked the process to end; raised so that temporary files are removed on the way out."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def guarded(function: F) -> F:
    """Turn a user's mistake into its message and exit code; ``--debug`` shows the traceback instead."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        as_json = bool(kwargs.get("json"))
        try:
            return function(*args, **kwargs)
        except EdgeferError as error:
            if Session.debug:
                raise
            told = f"error: {error}", error.to_json()
            raise typer.Exit(_end(as_json, error.exit_code, *told)) from None
        except BrokenPipeError:
            # Whoever read a stream of ours (`| head`) has enough of it: that is no failure.
            drop_output()
            raise typer.Exit(0) from None
        except (KeyboardInterrupt, Terminated) as stop:
            raise typer.Exit(stopped(stop, as_json)) from None

    return call  # type: ignore[return-value]


def stopped(stop: KeyboardInterrupt | Terminated, as_json: bool) -> int:
    """Tell of Ctrl-C or a signal; return the exit code."""
    if isinstance(stop, Terminated):
        name = signal.Signals(stop.number).name
        return _end_early(as_json, 128 + stop.number, f"terminated by {name}", "terminated")
    return _end_early(as_json, INTERRUPTED, "interrupted", "interrupted")


def misused(message: str, usage: str, as_json: bool) -> int:
    """Tell that the words of a command line do not fit; return the exit code."""
    if as_json:
        return _end(True, UsageError.exit_code, "", UsageError(message, action=usage).to_json())
    return UsageError.exit_code


@contextmanager
def unwinding() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind the main thread as Ctrl-C does, so that temporary files go.

    A signal that is ignored from outside (``nohup``) stays so. Only the first counts: what removes files is
    not interrupted by another.
    """
    owner = os.getpid()

    def leave(number: int, _: FrameType | None) -> None:
        if os.getpid() != owner:  # a forked child has nothing of ours to tidy up
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        for each in handled:
            signal.signal(each, signal.SIG_IGN)
        raise Terminated(number)

    handled = [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, leave) for number in handled}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def drop_output() -> None:
    """Send what is still to be written to standard output nowhere: nobody reads it."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def tell(text: str) -> None:
    """A line on standard error, if anybody still reads it; control characters in it are shown, not obeyed."""
    with suppress(OSError, ValueError):
        typer.echo(visible(text), err=True)


def _end_early(as_json: bool, code: int, found: str, kind: str) -> int:
    fields = {"schema": EdgeferError.SCHEMA, "code": kind, "found": found, "expected": "", "to_do": ""}
    return _end(as_json, code, f"{found}: {KEPT}", {**fields, "exit_code": code})


def _end(as_json: bool, code: int, text: str, fields: Mapping[str, Any]) -> int:
    if as_json:
        import json

        text = json.dumps(fields)
    tell(text)
    return code
