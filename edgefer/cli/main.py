"""`edgefer`: from a trained facial-expression network to a robot.

Every command's module imports typer alone at the top; what it needs to do its work is imported when
the command runs, so that `edgefer --help` answers at once.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

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
from edgefer.cli._common import INTERRUPTED, Session

app = typer.Typer(
    name="edgefer",
    help="Facial-expression networks from training to a robot, and what INT8 cost on the way.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("models")(models.models)
app.add_typer(datasets.app, name="datasets")
app.command("devices")(devices.devices)
app.command("doctor")(doctor.doctor)
app.command("train")(train.train)
app.command("eval")(evaluate.evaluate)
app.command("export")(export.export)
app.add_typer(calibrate.app, name="calibrate")
app.command("check")(check.check)
app.command("bench")(bench.bench)
app.command("compare")(compare.compare)
app.command("report")(report.report)
app.command("run")(run.run)
app.command("serve")(serve.serve)
app.command("pack")(pack.pack)
app.command("demo")(demo.demo)


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
    try:
        app()
    except KeyboardInterrupt:  # between two steps of which each has its own message
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
