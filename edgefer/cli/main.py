"""`edgefer`: from a trained facial-expression network to a robot.

Every command's module imports typer alone at the top; what it needs to do its work is imported when
the command runs, so that `edgefer --help` answers at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from edgefer import __version__
from edgefer.cli import (
    bench,
    calibrate,
    check,
    compare,
    datasets,
    demo,
    devices,
    doctor,
    evaluate,
    export,
    models,
    pack,
    report,
    run,
    serve,
    train,
)
from edgefer.cli._ending import ENDING, Session, Terminated, misused, stopped, unwinding

UsageMistake: type[Any] = typer.BadParameter.__mro__[1]
"""What typer raises for words that do not fit; typer brings its own copy of click, or uses click's."""


SECTIONS = ("Data", "Train", "Export", "Measure", "Run")


class Sections(TyperGroup):
    """Lists commands by what they are for."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands of each of :data:`SECTIONS`."""
        width = max(map(len, self.commands))
        for section in SECTIONS:
            with formatter.section(section):
                formatter.write_dl(
                    [
                        (name.ljust(width), command.get_short_help_str(formatter.width - width - 4))
                        for name, command in self.commands.items()
                        if getattr(command, "rich_help_panel", "") == section
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


def _add(section: str, name: str, command: Callable[..., None] | typer.Typer, summary: str) -> None:
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=name, rich_help_panel=section, short_help=summary)
    else:
        app.command(name, rich_help_panel=section, short_help=summary)(command)


_add("Data", "datasets", datasets.app, "List, view, check and prepare face sets")
_add("Train", "models", models.models, "List the networks and their sizes")
_add("Train", "train", train.train, "Train a network on a face set")
_add("Train", "eval", evaluate.evaluate, "Evaluate a network or bundle on a face set")
_add("Export", "export", export.export, "Export a network as checked bundles")
_add("Export", "calibrate", calibrate.app, "Make, check and compare calibration sets")
_add("Export", "check", check.check, "Run the checks of an export again")
_add("Export", "pack", pack.pack, "Make a pip-installable wheel of a bundle")
_add("Measure", "bench", bench.bench, "Measure bundles: latency, memory, accuracy")
_add("Measure", "compare", compare.compare, "Compare records: is it faster or slower?")
_add("Measure", "report", report.report, "Write records as HTML, Markdown or CSV")
_add("Measure", "devices", devices.devices, "List device profiles")
_add("Measure", "doctor", doctor.doctor, "Show what this machine can run")
_add("Run", "run", run.run, "Find faces and expressions in real input")
_add("Run", "serve", serve.serve, "Serve bundles over HTTP and gRPC")
_add("Run", "demo", demo.demo, "Go the whole way once, on built-in faces")


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
