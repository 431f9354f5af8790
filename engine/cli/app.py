"""The command `headrace`: its commands, its help, and how it ends."""

from __future__ import annotations

import sys
import traceback
from typing import Annotated, Any

import typer

from engine.cli import act, completion, doctor, init, redo, run, runs, serve, show, start
from engine.cli.exits import MEANING, Exit, of_error
from engine.model.errors import HeadraceError

_CODES = "\n".join(f"{code.value:>4}  {text}" for code, text in MEANING.items())

app = typer.Typer(
    name="headrace",
    epilog=f"\b\nExit codes:\n{_CODES}",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib import metadata

        try:
            typer.echo(f"headrace {metadata.version('headrace')}")
        except metadata.PackageNotFoundError:
            typer.echo("headrace, not installed: run from its source")
        raise typer.Exit


@app.callback()
def headrace(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Durable flows: run ordinary async Python, kill it at any moment, go on where it was."""


app.command("run")(run.run)
app.command("serve")(serve.serve)
app.command("start")(start.start)
app.command("runs")(runs.runs)
app.command("show")(show.show)
app.command("logs")(runs.logs)
app.command("cancel")(act.cancel)
app.command("signal")(act.signal)
app.command("rerun")(redo.rerun)
app.command("doctor")(doctor.doctor)
app.command("upgrade-check")(redo.upgrade_check)
app.command("init")(init.init)
app.command("prune")(act.prune)
app.command("completion")(completion.completion)


def main() -> None:
    """Run the command and end the process with one of the codes in `exits`."""
    for stream in (sys.stdout, sys.stderr):
        _never_fail(stream)
    try:
        app(prog_name="headrace")
    except HeadraceError as error:
        _complain(error)
        sys.exit(of_error(error))
    except Exception as error:  # noqa: BLE001 - the last place to say that it is our fault
        _admit(error)
        sys.exit(Exit.BUG)


def _never_fail(stream: Any) -> None:
    """A terminal that lacks a character shows another one instead of an error."""
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="replace")


def _complain(error: HeadraceError) -> None:
    from engine.cli.console import complain

    complain(str(error))


def _admit(error: Exception) -> None:
    sys.stderr.write("".join(traceback.format_exception(error)))
    sys.stderr.write("This is a bug in Headrace, not in your flow. Please report it with the lines above.\n")
