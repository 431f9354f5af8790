"""The ledger: what really happened, in the order in which it did, kept outside of every store."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple


class Line(NamedTuple):
    """One happening. `at` is nanoseconds of the monotonic clock, which all processes of a machine share."""

    at: int
    pid: int
    what: str
    facts: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.facts[name]
        except KeyError:
            raise AttributeError(f"a line of {self.what!r} has no {name!r}: {self.facts}") from None


class Ledger:
    """Appended to by many processes: each line is one write, and on disk when `note` returns.

    A process that is killed can leave half a line, where the file's pages meet: the next line begins on a new one.
    """

    def __init__(self, file: Path) -> None:
        self._fd = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_DSYNC, 0o600)

    def note(self, what: str, **facts: object) -> None:
        line = {"at": time.monotonic_ns(), "pid": os.getpid(), "what": what, **facts}
        os.write(self._fd, b"\n" + json.dumps(line).encode() + b"\n")

    def close(self) -> None:
        os.close(self._fd)


class Tail:
    """Reads a ledger while it grows; `lines` is all that was read, in the order of the clock but for neighbours."""

    def __init__(self, file: Path) -> None:
        file.touch()
        self._file = file.open("rb")
        self._rest = b""
        self.lines: list[Line] = []

    def read(self) -> list[Line]:
        """What is new."""
        *whole, self._rest = (self._rest + self._file.read()).split(b"\n")
        new = list(_lines(whole))
        self.lines += new
        return new

    def close(self) -> None:
        self._file.close()


def _lines(texts: list[bytes]) -> Iterator[Line]:
    for text in texts:
        try:
            facts = json.loads(text) if text else None
        except ValueError:
            continue  # its writer was killed within `note`: what it was about to do has not begun, or was not noted
        if facts is not None:
            yield Line(facts.pop("at"), facts.pop("pid"), facts.pop("what"), facts)
