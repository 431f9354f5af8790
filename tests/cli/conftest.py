"""The `headrace` command as processes in a folder of their own, and waiting for a condition instead of for a time."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import ROOT
from tests.support.polling import wait_until

FLOWS = """\
import asyncio
import time
from datetime import timedelta
from pathlib import Path

from engine import Retry, RunFailed, current, every, flow, now, sleep, task, wait_for


def note(text: str) -> None:
    with open("ledger", "a") as ledger:
        ledger.write(text + "\\n")


@task
async def greet(name: str) -> str:
    note(f"greet {name}")
    return f"Hello, {name}!"


@flow
async def hello(name: str = "world") -> str:
    current().logger.info("greeting %s", name)
    return await greet(name)


@task
async def step(n: int) -> int:
    note(f"step {n}")
    while n and Path(f"hold-{n}").exists():
        await asyncio.sleep(0.01)
    return n


@flow(tags=["many"])
async def steps(n: int = 5) -> list[int]:
    return [await step(i) for i in range(n)]


@task(retry=Retry(attempts=2, delay=timedelta(0)))
async def shaky(n: int) -> int:
    if not Path("mended").exists():
        raise ValueError(f"no {n}")
    note(f"shaky {n}")
    return n


@flow
async def fails(n: int = 1) -> int:
    return await shaky(await step(n))


@flow
async def asks(question: str = "may I") -> str:
    await greet(question)
    answer: str = await wait_for("answer", str, timeout=timedelta(days=3))
    return answer


@flow
async def outer() -> str:
    return await asks("child")


@flow
async def naps(seconds: float = 1.5) -> str:
    await sleep(timedelta(seconds=seconds))
    return "rested"


@flow
async def parent(n: int = 2) -> int:
    current().logger.warning("asking a child")
    return sum(await steps(n))


@flow
async def hurt(n: int = 1) -> int:
    try:
        return await shaky(n)
    except ValueError as error:
        raise RuntimeError("could not") from error


@task
def thread() -> None:
    note("thread")
    while not Path("release").exists():
        time.sleep(0.01)


@flow
async def stuck() -> None:
    await thread()


@flow(on=every(timedelta(hours=1)))
async def hourly() -> None:
    return
"""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Stdout as one JSON document."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """Stdout as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


class Child:
    """A command that is still running. Its output goes to files, which never fill up."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str], number: int) -> None:
        self._out = folder / f".out-{number}"
        self._err = folder / f".err-{number}"
        with self._out.open("w") as out, self._err.open("w") as err:
            self.process = subprocess.Popen(
                command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )

    @property
    def err(self) -> str:
        """What it has said so far."""
        return self._err.read_text()

    def until(self, condition: Callable[[], object], seconds: float = 30) -> None:
        """Wait for a condition, which must come true while the child runs."""

        def reached() -> object:
            found = condition()
            assert found or self.process.poll() is None, f"ended too early: {self.end()}"
            return found

        wait_until(reached, seconds, every=0.01, tell=lambda: self.err)

    def says(self, text: str) -> Callable[[], bool]:
        """A condition for `until`."""
        return lambda: text in self.err

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self, seconds: float = 30) -> Done:
        """Wait for its end."""
        code = self.process.wait(seconds)
        return Done(code, self._out.read_text(), self.err)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Headrace:
    """The command, with a store of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT), "HEADRACE_STORE": f"sqlite:///{folder / 'state.db'}"}
        self._children: list[Child] = []
        self.write("flows_here.py", FLOWS)

    def write(self, name: str, text: str) -> None:
        """A file in the folder; the text may be indented as a whole."""
        (self.folder / name).write_text(textwrap.dedent(text).lstrip("\n"))

    def edit(self, old: str, new: str) -> None:
        """Change the code of the flows here."""
        code = self.folder / "flows_here.py"
        text = code.read_text()
        assert old in text
        code.write_text(text.replace(old, new))

    def start(self, *arguments: object, **environment: str) -> Child:
        """Start `headrace <arguments>`."""
        command = [sys.executable, "-m", "engine.cli", *map(str, arguments)]
        child = Child(command, self.folder, {**self.environment, **environment}, len(self._children))
        self._children.append(child)
        return child

    def __call__(self, *arguments: object, code: int = 0, **environment: str) -> Done:
        """Run `headrace <arguments>`, which must end with this code and without a traceback of ours."""
        done = self.start(*arguments, **environment).end(60)
        assert done.code == code, f"{done.code}: {done.out}{done.err}"
        assert "This is a bug" not in done.err
        return done

    def ledger(self) -> list[str]:
        """What tasks wrote down while they ran."""
        file = self.folder / "ledger"
        return file.read_text().splitlines() if file.exists() else []

    def state(self, run_id: str) -> str:
        """The state of a run, as the store has it at this moment; empty before there is one."""
        store = self.folder / "state.db"
        if not store.exists():
            return ""
        with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as db:
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'run'").fetchone():
                return ""
            row = db.execute("SELECT state FROM run WHERE id = ?", (run_id,)).fetchone()
            return "" if row is None else str(row[0])

    def close(self) -> None:
        for child in self._children:
            child.close()


@pytest.fixture
def headrace(tmp_path: Path) -> Iterator[Headrace]:
    command = Headrace(tmp_path)
    yield command
    command.close()


@pytest.fixture
def node(headrace: Headrace) -> Child:
    """A node that serves the flows."""
    child = headrace.start("serve", "flows_here.py")
    child.until(child.says("ready"))
    return child
