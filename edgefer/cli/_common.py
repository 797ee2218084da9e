"""What the commands share: options, and what they print."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgefer.cli._ending import drop_output, guarded, tell
from edgefer.cli._progress import progress_bar

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = [
    "Accelerator",
    "DataOption",
    "Detector",
    "JsonFlag",
    "guarded",
    "print_json",
    "print_table",
    "print_text",
    "progress_bar",
    "say",
]

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


def print_json(value: Any, schema: str = "") -> None:
    """Print ``value`` as indented JSON on standard output; an object begins with the name of its schema.

    ``docs/schemas`` holds one file a schema.
    """
    import json

    named = {"schema": schema, **value} if schema and isinstance(value, Mapping) else value
    print_text(json.dumps(_finite(named), indent=2, allow_nan=False))


def _finite(value: Any) -> Any:
    """``value`` with null for numbers that are not finite: JSON has no word for them."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, (list, tuple)) else value


def print_table(*renderables: RenderableType, **options: Any) -> None:
    """Print tables and lines on standard output; ``options`` are those of rich's ``Console``."""
    import io

    from edgefer.cli.terminal import Console

    text = io.StringIO()
    Console(file=text, force_terminal=sys.stdout.isatty(), **options).print(*renderables, sep="\n")
    print_text(text.getvalue(), newline=False)


def print_text(text: object, *, newline: bool = True) -> None:
    """Print on standard output; what a reader (`| head`) leaves unread is no failure.

    Raises:
        DataError: it cannot be written, on a full disk for one.
    """
    try:
        typer.echo(text, nl=newline)
    except BrokenPipeError:
        drop_output()
    except OSError as error:
        from pathlib import Path

        from edgefer_runtime.files import unwritable

        drop_output()
        raise unwritable(Path("standard output"), error) from error


def say(text: str) -> None:
    """A line for people, on standard error so that standard output stays clean for pipes."""
    tell(text)
