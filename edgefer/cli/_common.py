"""What the commands share: error rendering, JSON output, progress bars."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Annotated, Any, TypeVar

import typer

from edgefer.cli._telling import telling
from edgefer_runtime.errors import EdgeferError

F = TypeVar("F", bound=Callable[..., Any])
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells use it: 128 + SIGINT."""

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
DataOption = Annotated[
    str,
    typer.Option(
        "--data", metavar="SET", help="synthfer:SPLIT, NAME:PATH[@SPLIT] or a folder; see `edgefer datasets`."
    ),
]


ClassesOption = Annotated[
    str | None,
    typer.Option(
        "--classes",
        metavar="WORD=CLASS,...|FILE",
        help="What your folders or labels mean: 1=surprise,2=fear; WORD= leaves one out.",
    ),
]


class Accelerator(str, Enum):
    """Where to compute."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class Detector(str, Enum):
    """A BlazeFace model, which finds faces: in any picture, as well but slower, or near the camera."""

    full_range = "full-range"
    back = "back"
    short_range = "short-range"


class Session:
    """Switches that hold for the whole call."""

    debug = False


def guarded(function: F) -> F:
    """Turn a user's mistake into its message and exit code; ``--debug`` shows the traceback instead."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except EdgeferError as error:
            if Session.debug:
                raise
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(error.exit_code) from None
        except BrokenPipeError:
            # The reader (`| head`) left; what it did not read is no failure of ours.
            sys.stderr.close()
            raise typer.Exit(0) from None
        except KeyboardInterrupt:
            typer.echo("interrupted: nothing half-written was left behind", err=True)
            raise typer.Exit(INTERRUPTED) from None

    return call  # type: ignore[return-value]


def print_json(value: Any) -> None:
    """Print ``value`` as indented JSON on standard output."""
    typer.echo(json.dumps(value, indent=2))


def say(text: str) -> None:
    """A line for people, on standard error so that standard output stays clean for pipes."""
    typer.echo(text, err=True)


@telling
@contextmanager
def progress_bar(quiet: bool = False) -> Iterator[Callable[[str, int, int], None]]:
    """Give a function ``report(stage, done, total)`` that draws one bar a stage.

    Draws on standard error, only on a terminal, and only stages that are still going after a moment.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda stage, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, Any] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield report
