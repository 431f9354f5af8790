"""Programs as processes: started in a folder of their own, watched through a ledger file, killed by SIGKILL."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.support.polling import wait_until

ROOT = Path(__file__).parents[2]


class Processes:
    """The processes of one test. What they note is in `ledger`, a line each, in the order in which it happened."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "state.db"
        self._all: list[subprocess.Popen[bytes]] = []

    def start(self, program: str, *arguments: object, **environment: str) -> subprocess.Popen[bytes]:
        """Start `tests/integration/<program>.py` on the test's store; what it prints is in `output`."""
        with (self.folder / "output").open("ab") as output:
            child = subprocess.Popen(
                [sys.executable, "-m", f"tests.integration.{program}", *map(str, arguments)],
                cwd=self.folder,
                env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._all.append(child)
        return child

    @property
    def output(self) -> str:
        """What all of them printed."""
        return (self.folder / "output").read_text(encoding="utf-8")

    @property
    def ledger(self) -> list[str]:
        """What all of them noted, killed or not."""
        file = self.folder / "ledger"
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []

    def wait_until(self, reached: Callable[[], object], seconds: float = 60.0) -> None:
        """Return when the condition holds; fails when it does not within the time."""
        wait_until(reached, seconds, every=0.01, tell=lambda: f"ledger: {self.ledger}\noutput:\n{self.output}")

    def finish(self, child: subprocess.Popen[bytes], code: int = 0) -> None:
        """Wait until a process has ended by itself, with this code."""
        assert child.wait(100) == code, self.output

    def crash(self, child: subprocess.Popen[bytes]) -> None:
        """Kill a process that is running."""
        assert child.poll() is None, f"ended before it could be killed:\n{self.output}"
        os.kill(child.pid, signal.SIGKILL)
        child.wait()

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Read the store as any other program could."""
        if not self.store.exists():
            return []
        with closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)) as db:
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'journal'").fetchone():
                return []
            return db.execute(sql, values).fetchall()

    def close(self) -> None:
        """Kill what is left."""
        for child in self._all:
            if child.poll() is None:
                child.kill()
                child.wait()


def note(*words: object) -> None:
    """For the programs: write a line that survives this process."""
    with Path("ledger").open("ab", buffering=0) as file:
        file.write((" ".join(map(str, words)) + "\n").encode())


def die_once(name: str = "died") -> None:
    """For the programs: end this process as kill -9 does, the first time that anybody asks for this name."""
    try:
        Path(name).touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)
