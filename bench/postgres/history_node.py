"""The node of `history.py`, in a process of its own: runs many small runs, and tells how many a second.

`python -m bench.postgres.history_node STORE RUNS` prints one number.
"""

from __future__ import annotations

import asyncio
import sys
import time

from bench.postgres.sharing_node import little
from engine import Engine
from engine.cli.tuning import loop_factory, tune

AT_ONCE = 50


async def main(url: str, runs: int) -> None:
    """Start so many runs, never more than `AT_ONCE` at a time, and wait for the ends."""
    async with Engine(url, flows=[little]) as engine:
        tune()
        await engine.run(little.bind(1))
        room = asyncio.Semaphore(AT_ONCE)

        async def one(n: int) -> None:
            async with room:
                assert await engine.run(little.bind(n)) == 2 * n

        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for n in range(runs):
                group.create_task(one(n))
        print(runs / (time.perf_counter() - began))


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(main(sys.argv[1], int(sys.argv[2])))
