"""The command as a victim: `headrace run --id` is killed again and again, and given once more, until it succeeds."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from tests.chaos import errand
from tests.chaos.arena import SQLiteArena
from tests.chaos.checker import check
from tests.chaos.evidence import Asked, Evidence, Finding
from tests.chaos.history import History
from tests.chaos.ledger import Tail
from tests.chaos.processes import ROOT
from tests.chaos.sight import Window
from tests.support.polling import happens

STEPS: Final = 6
"""A process is killed when it has begun so many steps at most; when it has begun none, somewhere in its start."""

START: Final = 0.7
"""Seconds: about what a process takes until its first step."""


@dataclass
class Outcome:
    """What was done, and what was found."""

    kills: int = 0
    results: dict[str, tuple[str, Any]] = field(default_factory=dict[str, tuple[str, Any]])
    findings: list[Finding] = field(default_factory=list[Finding])


async def torment(folder: Path, *, seed: int, runs: int, kills: int, links: int) -> Outcome:
    """Let so many runs go at once on one SQLite file, each with a process of its own that is killed so often."""
    arena = SQLiteArena(folder)
    await arena.open()
    case = _Case(folder, arena.url(0), arena.window())
    asked = {f"run-{x}": Asked(f"run-{x}", "chain", {"x": x, "links": links}) for x in range(runs)}
    try:
        await asyncio.gather(*(case.run(one, Random(f"{seed} {id}"), kills) for id, one in asked.items()))
        await case.history.finish(case.window, time.monotonic_ns)
        case.tail.read()
    finally:
        case.tail.close()
    evidence = Evidence(
        ledger=case.tail.lines,
        history=case.history,
        asked=asked,
        results=case.outcome.results,
        slots_held=await case.window.rows("SELECT pool, run, key, node FROM slot"),
        pools={},
        frozen={},
        died=case.died,
    )
    case.outcome.findings = check(evidence)
    return case.outcome


class _Case:
    def __init__(self, folder: Path, url: str, window: Window) -> None:
        self._folder = folder
        self._url = url
        self.window = window
        self.tail = Tail(folder / "ledger")
        self.history = History()
        self.outcome = Outcome()
        self.died: dict[int, int] = {}

    async def run(self, asked: Asked, dice: Random, kills: int) -> None:
        for _ in range(kills):
            process = await self._start(asked)
            steps = dice.randint(0, STEPS)
            await self._begun(process, steps or 1, dice.uniform(0, START) if steps == 0 else 60.0)
            assert process.returncode is None, await self._said(process)
            process.send_signal(signal.SIGKILL)
            assert await process.wait() == -signal.SIGKILL, await self._said(process)
            self.outcome.kills += 1
            await self._look(process)
        process = await self._start(asked)
        result, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
        self.outcome.results[asked.id] = "succeeded", json.loads(result)
        await self._look(process)

    async def _start(self, asked: Asked) -> asyncio.subprocess.Process:
        parameters = [f"{name}={value}" for name, value in asked.params.items()]
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "engine.cli", "run", errand.__file__, *parameters),
            *("--id", asked.id, "--no-progress", "--store", self._url),
            env=os.environ | {"PYTHONPATH": str(ROOT), errand.LEDGER: str(self._folder / "ledger")},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def _begun(self, process: asyncio.subprocess.Process, steps: int, patience: float) -> None:
        def begun() -> bool:
            self.tail.read()
            done = sum(line.pid == process.pid and line.what == "begin" for line in self.tail.lines)
            return done >= steps or process.returncode is not None

        await happens(begun, patience, every=0.005)

    async def _look(self, dead: asyncio.subprocess.Process) -> None:
        """What is on disk when a process has died: none of it may be done again."""
        self.died[dead.pid] = time.monotonic_ns()
        sight = await self.window.look(self.history.newest, [*self.history.unfinished], 0)
        if sight is not None:
            self.history.add(sight)

    async def _said(self, process: asyncio.subprocess.Process) -> str:
        assert process.stderr is not None
        return f"ended by itself with code {process.returncode}: {(await process.stderr.read()).decode()}"
