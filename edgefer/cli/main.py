"""`edgefer`: from a trained facial-expression network to a robot.

A command's module is imported when that command is called, or asked for help, and what does its work when it
runs: `edgefer --help` answers at once.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperGroup

from edgefer import __version__
from edgefer.cli._ending import ENDING, Session, Terminated, misused, stopped, unwinding

UsageMistake: type[Any] = typer.BadParameter.__mro__[1]
"""What typer raises for words that do not fit; typer brings its own copy of click, or uses click's."""


class Entry(NamedTuple):
    """A command: its section of the help, where it is (``module:name`` in this package), and its line."""

    section: str
    place: str
    summary: str


ENTRIES = {
    "datasets": Entry("Data", "datasets:app", "List, view, check and prepare face sets"),
    "models": Entry("Train", "models:models", "List the networks and their sizes"),
    "train": Entry("Train", "train:train", "Train a network on a face set"),
    "eval": Entry("Train", "evaluate:evaluate", "Evaluate a network or bundle on a face set"),
    "export": Entry("Export", "export:export", "Export a network as checked bundles"),
    "calibrate": Entry("Export", "calibrate:app", "Make, check and compare calibration sets"),
    "check": Entry("Export", "check:check", "Run the checks of an export again"),
    "pack": Entry("Export", "pack:pack", "Make a pip-installable wheel of a bundle"),
    "bench": Entry("Measure", "bench:bench", "Measure bundles: latency, memory, accuracy"),
    "compare": Entry("Measure", "compare:compare", "Compare records: is it faster or slower?"),
    "report": Entry("Measure", "report:report", "Write records as HTML, Markdown or CSV"),
    "devices": Entry("Measure", "devices:devices", "List device profiles"),
    "doctor": Entry("Measure", "doctor:doctor", "Show what this machine can run"),
    "run": Entry("Run", "run:run", "Find faces and expressions in real input"),
    "serve": Entry("Run", "serve:serve", "Serve bundles over HTTP and gRPC"),
    "demo": Entry("Run", "demo:demo", "Go the whole way once, on built-in faces"),
}


class Commands(Mapping[str, Any]):
    """The commands by name, each made when it is first taken."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            entry = ENTRIES[name]
            module, attribute = entry.place.split(":")
            found = getattr(import_module(f"edgefer.cli.{module}"), attribute)
            if not isinstance(found, typer.Typer):
                function, found = found, typer.Typer(add_completion=False, rich_markup_mode=None)
                found.command(name)(function)
            command = typer.main.get_command(found)
            command.name, command.short_help = name, entry.summary
            self._made[name] = command
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(ENTRIES)

    def __len__(self) -> int:
        return len(ENTRIES)


class Sections(TyperGroup):
    """Lists commands by what they are for."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands: Any = Commands()

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands of each section; none of their modules is imported for it."""
        width = max(map(len, ENTRIES))
        for section in dict.fromkeys(entry.section for entry in ENTRIES.values()):
            with formatter.section(section):
                formatter.write_dl(
                    [
                        (name.ljust(width), entry.summary)
                        for name, entry in ENTRIES.items()
                        if entry.section == section
                    ]
                )


app = typer.Typer(
    name="edgefer",
    cls=Sections,
    help="Facial-expression networks from training to a robot, and what INT8 cost on the way.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"edgefer {__version__}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Facial-expression networks from training to a robot, and what INT8 cost on the way."""
    Session.debug = debug


def main() -> None:
    """Entry point of the `edgefer` command."""
    sys.exit(call(sys.argv[1:]))


def call(words: Sequence[str]) -> int:
    """Run one command line; return its exit code."""
    as_json = "--json" in words
    try:
        with unwinding():
            code = app([*words], prog_name="edgefer", standalone_mode=False)
    except UsageMistake as mistake:
        if not as_json:
            mistake.show()
        return misused(mistake.format_message(), _usage(mistake), as_json)
    except (KeyboardInterrupt, Terminated) as stop:  # between two steps of which each has its own message
        return stopped(stop, as_json)
    except typer.Abort:  # Ctrl-C at a question
        return stopped(KeyboardInterrupt(), as_json)
    except SystemExit as left:
        return _left(left, as_json)
    return code if isinstance(code, int) else 0


def _left(left: SystemExit, as_json: bool) -> int:
    """The exit code of what left on its own: with 1 typer does when nobody reads its help."""
    code = left.code if isinstance(left.code, int) else 0
    if code in [128 + number for number in ENDING]:  # a training or a camera that a signal stopped
        return stopped(Terminated(code - 128), as_json)
    return 0 if code == 1 else code


def _usage(mistake: Any) -> str:
    context = getattr(mistake, "ctx", None)
    return f"see `{context.command_path} --help`" if context else "see `edgefer --help`"


if __name__ == "__main__":
    main()
