"""A node in a process of its own, whose flow notes when its first line was reached.

`python -m bench.postgres.latency_node STORE` prints `ready`, then a line for each run: its number and the time by the
monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

import asyncio
import sys
import time

from engine import Engine, flow
from engine.cli.tuning import loop_factory, tune


@flow
async def first_line(number: int) -> None:
    """Say so."""
    print(number, time.monotonic(), flush=True)


async def main(url: str) -> None:
    """Serve until standard input ends."""
    async with Engine(url, flows=[first_line]):
        tune()
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(main(sys.argv[1]))
