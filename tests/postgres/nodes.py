"""Nodes as processes: started on a store, frozen, stopped and killed by signals."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.polling import until

ROOT = Path(__file__).parents[2]


class NodeProcess:
    """One of them. `id` is the node's own, once it has joined."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.id = ""

    async def hear(self, word: str) -> str:
        """Wait until it says so; answers what it says besides."""
        assert self.process.stdout is not None
        said, _, rest = (await self.process.stdout.readline()).decode().strip().partition(" ")
        assert said == word, (said, word)
        return rest

    async def join(self) -> None:
        """Let it open the store, and wait until it is a member."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"go\n")
        self.id = await self.hear("ready")

    @property
    def pid(self) -> int:
        return self.process.pid

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        """Ask it to stop in good order, and answer its exit code."""
        self.process.terminate()
        return await self.process.wait()


class Nodes:
    """The nodes of one test. What their tasks note is in `ledger`, in the order in which it happened."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self._folder = folder
        self._all: list[NodeProcess] = []

    async def start(self) -> NodeProcess:
        """Start one and wait until it is a member."""
        node = await self.prepare()
        await node.join()
        return node

    async def prepare(self) -> NodeProcess:
        """Start one that has loaded its flows and waits for `join`."""
        with (self._folder / "errors").open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.postgres.a_node", self.url),
                cwd=self._folder,
                env=os.environ | {"PYTHONPATH": str(ROOT), "LEDGER": str(self._folder / "ledger")},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
            )
        node = NodeProcess(process)
        self._all.append(node)
        await node.hear("loaded")
        return node

    def hold(self) -> None:
        """From now on no part of a journey ends."""
        (self._folder / "hold").touch()

    def let_go(self) -> None:
        """Parts end again."""
        (self._folder / "hold").unlink()

    @property
    def ledger(self) -> list[str]:
        file = self._folder / "ledger"
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []

    @property
    def errors(self) -> str:
        return (self._folder / "errors").read_text(encoding="utf-8")

    async def until(self, reached: Callable[[], object], seconds: float = 30.0) -> None:
        """Return when the condition holds; fails when it does not within the time."""
        await until(reached, seconds, tell=lambda: f"{self.ledger}\n{self.errors}")

    async def close(self) -> None:
        for node in self._all:
            if node.process.returncode is None:
                node.thaw()
                await node.kill()


@asynccontextmanager
async def processes(url: str, folder: Path) -> AsyncGenerator[Nodes]:
    """Nodes on a store, none of which outlives the block."""
    nodes = Nodes(url, folder)
    try:
        yield nodes
    finally:
        await nodes.close()
