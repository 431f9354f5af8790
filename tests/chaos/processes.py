"""Nodes as processes, seen from the driver: born in the nursery, troubled by signals."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from tests.chaos.a_node import Orders

ROOT: Final = Path(__file__).parents[2]


@dataclass(eq=False)
class NodeProcess:
    """One of them. `id` is the node's own, once it has joined; times are monotonic nanoseconds, 0 for not yet."""

    pid: int
    slot: int
    born: int
    id: str = ""
    joined: asyncio.Event = field(default_factory=asyncio.Event)
    died: asyncio.Event = field(default_factory=asyncio.Event)
    code: int = 0
    ended: int = 0
    expected_to_die: bool = False
    joined_at: int = 0
    doomed: int = 0
    frozen: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])

    @property
    def awake(self) -> list[tuple[int, int]]:
        """From when to when it could do its work: not while it stood still, nor once its end was decided."""
        end = self.doomed or self.ended or time.monotonic_ns()
        starts = [self.joined_at, *(thawed for _, thawed in self.frozen)]
        return [*zip(starts, [*(began for began, _ in self.frozen), end], strict=True)]

    def signal(self, number: int) -> int:
        """Send it a signal; answers when."""
        at = time.monotonic_ns()
        if number in (signal.SIGKILL, signal.SIGTERM):
            self.doomed = self.doomed or at
        if not self.died.is_set():
            with suppress(ProcessLookupError):  # it has died, and the nursery has not told of it yet
                os.kill(self.pid, number)
        return at


class Nursery:
    """Starts nodes and hears of their deaths."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        self._births: asyncio.Queue[NodeProcess] = asyncio.Queue()
        self._one_at_a_time = asyncio.Lock()
        self.nodes: dict[int, NodeProcess] = {}

    async def open(self) -> None:
        with (self._folder / "nursery").open("ab") as errors:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.chaos.nursery"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                cwd=self._folder,
                env=os.environ | {"PYTHONPATH": str(ROOT)} | self._environment,
            )
        self._hearing = asyncio.create_task(self._hear(), name="nursery")

    async def start(self, orders: Orders) -> NodeProcess:
        """Have a node born. It has not joined yet."""
        assert self._process.stdin is not None
        async with self._one_at_a_time:
            self._process.stdin.write(json.dumps(asdict(orders)).encode() + b"\n")
            birth = asyncio.ensure_future(self._births.get())
            await asyncio.wait([birth, self._hearing], return_when=asyncio.FIRST_COMPLETED)
            if not birth.done():
                birth.cancel()
                raise RuntimeError(f"the nursery ended with code {await self._process.wait()}; somebody killed it?")
            return birth.result()

    async def _hear(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            word, pid, number, at = json.loads(line)
            if word == "born":
                self.nodes[pid] = NodeProcess(pid, number, at)
                self._births.put_nowait(self.nodes[pid])
            else:
                node = self.nodes[pid]
                node.code, node.ended = number, at
                node.died.set()
        for node in self.nodes.values():  # of those that are left nobody tells any more
            with suppress(ProcessLookupError):
                node.signal(signal.SIGKILL)
            node.ended = node.ended or time.monotonic_ns()
            node.died.set()

    async def close(self) -> None:
        """End it, and with it every node."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        for node in self.nodes.values():
            node.signal(signal.SIGKILL)
        await self._process.wait()
        await self._hearing
