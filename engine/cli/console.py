"""The terminal: data on stdout, everything else on stderr, colour only where a person looks."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TextIO

_CODES: Final = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36"}

STATE_COLOURS: Final = {
    "succeeded": "green",
    "failed": "red",
    "diverged": "red",
    "cancelled": "yellow",
    "running": "cyan",
    "waiting": "blue",
    "queued": "dim",
}


def is_terminal(stream: TextIO) -> bool:
    """Whether a person looks at this stream in something that understands escape codes."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def paint(text: str, style: str, stream: TextIO | None = None) -> str:
    """Text in a colour on a terminal, as it is elsewhere and where NO_COLOR is set."""
    if os.environ.get("NO_COLOR") or not is_terminal(stream or sys.stdout):
        return text
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m"


def say(text: str = "") -> None:
    """Tell the person something; scripts need not read it."""
    try:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
    except OSError:
        pass  # nobody listens, or the disk under the log is full: no reason to stop what is told about


def warn(text: str) -> None:
    """Tell the person something that they should act on."""
    say(paint(text, "yellow", sys.stderr))


def complain(text: str) -> None:
    """Tell the person why the command did not do what it was asked for."""
    first, newline, rest = text.partition("\n")
    say(f"{paint('error:', 'red', sys.stderr)} {first}{newline}{rest}")


def put(text: str = "") -> None:
    """Print data."""
    sys.stdout.write(f"{text}\n")


def put_json(value: Any) -> None:
    """Print one JSON value on one line."""
    put(json.dumps(value, ensure_ascii=False))
    sys.stdout.flush()  # whoever follows wants each line when it is there


def pretty(data: str) -> str:
    """JSON for stdout: as it is when piped or short, indented on a terminal."""
    if len(data) <= 80 or not is_terminal(sys.stdout):
        return data
    return json.dumps(json.loads(data), ensure_ascii=False, indent=2)


def table(head: Sequence[str], rows: Iterable[Sequence[str]], colours: Mapping[str, str] | None = None) -> list[str]:
    """Aligned columns. `colours` paints cells of these texts."""
    body = [list(row) for row in rows]
    widths = [max(len(row[column]) for row in [list(head), *body]) for column in range(len(head))]
    lines = [paint(_line(head, widths, {}), "dim")]
    return lines + [_line(row, widths, colours or {}) for row in body]


def _line(cells: Sequence[str], widths: Sequence[int], colours: Mapping[str, str]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
    padded[-1] = padded[-1].rstrip()
    painted = [
        paint(text, colours[cell]) if cell in colours else text for cell, text in zip(cells, padded, strict=True)
    ]
    return "  ".join(painted).rstrip()


def shorten(text: str, width: int) -> str:
    """One line of at most `width` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"


def program() -> str:
    """How this command was called, so that commands that we suggest work when they are copied."""
    return "python -m engine.cli" if Path(sys.argv[0]).name == "__main__.py" else "headrace"


def command(*words: str) -> str:
    """A command to copy."""
    return f"{program()} {shlex.join(words)}"


def advise(text: str, *words: str) -> None:
    """`text` and, on a line of its own, the command that does it."""
    say(f"{text}\n  {paint(command(*words), 'bold', sys.stderr)}")
