"""The command `headrace`: its commands, its help, and how it ends."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer

from engine.cli import act, completion, doctor, init, redo, run, runs, serve, show, start
from engine.cli.exits import MEANING, Exit, of_error
from engine.model.errors import HeadraceError, UsageError
from engine.model.text import is_text

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
    _open_streams()
    try:
        code = _ended()
        sys.stdout.flush()
    except OSError as error:
        code = _unwritten(error)
    sys.exit(code)


def _ended() -> int:
    """Run the command; its exit code. Raises OSError when its output cannot be written."""
    try:
        _check_text(sys.argv[1:])
        app(prog_name="headrace")
    except SystemExit as end:
        if type(sys.stdout).__name__ == "PacifyFlushWrapper":  # put there when a reader, such as head, has gone
            return Exit.OK
        return end.code if isinstance(end.code, int) else Exit.OK
    except HeadraceError as error:
        _complain(error)
        return of_error(error)
    except OSError as error:
        if error.filename is None:
            raise
        _complain(UsageError(f"{str(error.filename)[:200]}: {error.strerror}"))
        return Exit.USAGE
    except Exception as error:  # noqa: BLE001 - the last place to say that it is our fault
        _admit(error)
        return Exit.BUG
    return Exit.OK


def _open_streams() -> None:
    """What whoever started us has closed leads nowhere; else the next file that is opened would take its place."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.dup(number), "r" if number == 0 else "w"))
    for stream in (sys.stdout, sys.stderr):
        _never_fail(stream)


def _unwritten(error: OSError) -> int:
    """Nobody takes the output. What the command did is done; a reader that has seen enough is no trouble."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for what is left in the buffer when the process ends
    if error.errno == errno.EPIPE:
        return Exit.OK
    if error.errno not in _FULL:
        _admit(error)
        return Exit.BUG
    _complain(UsageError(f"the output cannot be written: {error.strerror}"))
    return Exit.USAGE


_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})


def _check_text(words: Sequence[str]) -> None:
    """Whatever is typed may be stored, and a store keeps text. Raises UsageError for bytes that are none."""
    for word in words:
        if not is_text(word):
            raise UsageError(f"{word!r} is not text in UTF-8: retype it, or rename the file")


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
