"""A node whose flow takes the process with it: joins, runs what is due, and dies."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from engine import Engine, flow, task
from engine.settings import NodeSettings

SETTINGS = NodeSettings(crash_limit=3)


@task
async def devour() -> None:
    """As the kernel does with who takes too much memory."""
    os.kill(os.getpid(), signal.SIGKILL)


@flow
async def doomed() -> None:
    """Never gets to its second line."""
    await devour()


async def _main(url: str) -> None:
    async with Engine(url, flows=[doomed], settings=SETTINGS) as engine:
        await engine.serve()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
