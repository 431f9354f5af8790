"""Live progress: a block that redraws itself on a terminal, a few plain lines elsewhere."""

from __future__ import annotations

import asyncio
import io
import shutil
import sys
import threading
import time
from collections.abc import Container, Sequence
from types import TracebackType
from typing import Final, Self, TextIO, cast

from engine.cli.board import Board
from engine.cli.console import is_terminal, paint
from engine.cli.times import rough
from engine.model.entry import Entry
from engine.ports.telemetry import RunIdentity, Telemetry
from observability.relay import Relay

FRAME: Final = 0.1
"""Seconds between two frames: what changes faster cannot be read."""

FIRST_LINE: Final = 2.0
LONGEST_PAUSE: Final = 60.0
"""Plain lines come after 2, 4, 8, … seconds, then once a minute: a log shows that it goes on without being flooded."""


class Watched(Relay):
    """A telemetry that lets the board see what passes of some runs.

    `runs` may grow. Of other runs, what a dead node has not sent passes as well.
    """

    def __init__(self, inner: Telemetry, board: Board, runs: Container[int]) -> None:
        super().__init__(inner)
        self._board = board
        self._runs = runs

    def recorded(self, run: RunIdentity, entries: Sequence[Entry]) -> None:
        if run.num in self._runs:
            self._board.heard(entries)
        super().recorded(run, entries)


class Progress:
    """Shows a board until it is left. `title` is the first line of the block."""

    def __init__(self, board: Board, title: str) -> None:
        self._board = board
        self._title = title
        self._began = time.monotonic()
        self._screen = Screen(sys.stderr) if is_terminal(sys.stderr) else None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._screen is not None:
            self._screen.open()
        self._task = asyncio.create_task(
            self._draw() if self._screen is not None else self._report(), name="headrace progress"
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, stack: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        for line in self._board.catch_up():
            self._tell(line)
        if self._screen is not None:
            self._screen.close()

    async def _draw(self) -> None:
        assert self._screen is not None
        while True:
            for line in self._board.catch_up():
                self._tell(line)
            elapsed = rough(int((time.monotonic() - self._began) * 1e9))
            self._screen.show([f"{self._title}  {paint(elapsed, 'dim', sys.stderr)}", *self._board.lines()])
            await asyncio.sleep(FRAME)

    async def _report(self) -> None:
        pause, due, last = FIRST_LINE, FIRST_LINE, ""
        while True:
            await asyncio.sleep(FRAME)
            for line in self._board.catch_up():
                self._tell(line)
            elapsed = time.monotonic() - self._began
            if elapsed < due:
                continue
            pause = min(2 * pause, LONGEST_PAUSE)
            due = elapsed + pause
            if (text := self._board.summary()) != last:
                last = text
                self._tell(f"{rough(int(elapsed * 1e9))}: {text}")

    def _tell(self, line: str) -> None:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


class Screen:
    """The last lines of a terminal, drawn over and over. What others print meanwhile goes above them. Any thread."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.RLock()
        self._shown: list[str] = []
        self._saved = (sys.stdout, sys.stderr)

    def open(self) -> None:
        """From now on prints go through this screen."""
        self._saved = (sys.stdout, sys.stderr)
        if is_terminal(sys.stdout):
            sys.stdout = cast("TextIO", Above(self, sys.stdout))
        sys.stderr = cast("TextIO", Above(self, sys.stderr))
        self._stream.write("\x1b[?25l")

    def close(self) -> None:
        """Leave nothing of the block behind."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, Above):
                stream.finish()
        sys.stdout, sys.stderr = self._saved
        with self._lock:
            self._stream.write(self._erase() + "\x1b[?25h")
            self._stream.flush()
            self._shown = []

    def show(self, lines: Sequence[str]) -> None:
        """Replace the block, in one write, and only when it has changed."""
        size = shutil.get_terminal_size()
        fitting = [_cut(line, size.columns - 1) for line in lines[: size.lines - 1]]
        with self._lock:
            if fitting != self._shown:
                self._stream.write(self._erase() + "\n".join(fitting))
                self._stream.flush()
                self._shown = fitting

    def above(self, stream: TextIO, text: str) -> None:
        """Print whole lines above the block."""
        with self._lock:
            stream.flush()
            self._stream.write(self._erase())
            self._stream.flush()
            stream.write(text)
            stream.flush()
            self._stream.write("\n".join(self._shown))
            self._stream.flush()

    def _erase(self) -> str:
        if not self._shown:
            return ""
        up = len(self._shown) - 1
        return "\r" + (f"\x1b[{up}A" if up else "") + "\x1b[J"


class Above(io.TextIOBase):
    """Stands in for stdout or stderr while a block is shown: complete lines are printed above it."""

    def __init__(self, screen: Screen, stream: TextIO) -> None:
        self._screen = screen
        self._stream = stream
        self._rest = ""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    def write(self, text: str) -> int:
        whole, newline, self._rest = (self._rest + text).rpartition("\n")
        if newline:
            self._screen.above(self._stream, whole + newline)
        return len(text)

    def finish(self) -> None:
        """Print a line that has no end."""
        if self._rest:
            self.write("\n")

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._stream.fileno()


def _cut(line: str, width: int) -> str:
    """At most `width` visible characters; escape codes do not count and are closed."""
    visible, at = 0, 0
    while at < len(line):
        if line[at] == "\x1b":
            at = line.find("m", at) + 1 or len(line)
            continue
        visible += 1
        if visible > width:
            return line[:at] + ("\x1b[0m" if "\x1b" in line else "")
        at += 1
    return line
