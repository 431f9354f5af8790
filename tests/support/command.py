"""The `headrace` command as a child process that can be watched and killed."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


class Headrace:
    """The command in a folder of its own, with a store of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "state.db"
        self.output = folder / "output.txt"
        self._children: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: object) -> subprocess.Popen[bytes]:
        """Start `headrace <arguments>`, printing to `output`; it is killed at the end of the test at the latest."""
        with self.output.open("wb") as output:
            child = subprocess.Popen(
                [sys.executable, "-m", "engine.cli", *map(str, arguments)],
                cwd=self.folder,
                env=os.environ | {"PYTHONPATH": str(ROOT), "HEADRACE_STORE": f"sqlite:///{self.store}"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._children.append(child)
        return child

    def run(self, *arguments: object, code: int = 0) -> str:
        """What `headrace <arguments>` prints; it must end with this exit code."""
        child = self.start(*arguments)
        child.wait(100)
        assert child.returncode == code, self.output.read_text()
        return self.output.read_text()

    def kill_when(self, child: subprocess.Popen[bytes], reached: Callable[[], bool], seconds: float = 60) -> None:
        """Send SIGKILL as soon as the condition holds. The child must be running until then."""
        deadline = time.monotonic() + seconds
        while not reached():
            assert time.monotonic() < deadline, f"not reached; recorded so far: {self.recorded()}"
            try:
                child.wait(0.02)
            except subprocess.TimeoutExpired:
                continue
            pytest.fail(f"ended before it could be killed: {self.output.read_text()}")
        child.kill()
        child.wait()

    def journal(self) -> list[tuple[str, str, Any]]:
        """Name, key and result of each task that has one, over all runs."""
        if not self.store.exists():
            return []
        with closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)) as db:
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'journal'").fetchone():
                return []
            rows = db.execute(
                "SELECT name, key, value FROM journal WHERE kind = 'task' AND outcome = 'ok' ORDER BY run, seq"
            )
            return [(name, key, json.loads(value)) for name, key, value in rows]

    def recorded(self) -> Counter[str]:
        """How many results of each task are recorded."""
        return Counter(name for name, _, _ in self.journal())

    def close(self) -> None:
        for child in self._children:
            if child.poll() is None:
                child.kill()
                child.wait()
