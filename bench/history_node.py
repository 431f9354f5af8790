"""The node of `history.py`, in a process of its own: opens a store, starts runs, and tells how long it took.

`python -m bench.history_node STORE STARTS` prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time

from bench.machine import resident
from engine import Engine, flow, task
from engine.cli.tuning import loop_factory, tune

FIRST_LINES: list[float] = []


@task
async def double(n: int) -> int:
    """One step."""
    return 2 * n


@flow
async def little(n: int) -> int:
    """What a run of the history was, and what is started anew."""
    FIRST_LINES.append(time.perf_counter())
    return await double(n)


async def main(url: str, starts: int) -> None:
    """Open, start, tell."""
    began = time.perf_counter()
    async with Engine(url, flows=[little]) as engine:
        opened = time.perf_counter() - began
        tune()
        first: list[float] = []
        whole: list[float] = []
        for n in range(starts):
            at = time.perf_counter()
            assert await engine.run(little.bind(n)) == 2 * n
            whole.append(time.perf_counter() - at)
            first.append(FIRST_LINES[-1] - at)
        told = {
            "open_ms": opened * 1e3,
            "first_line_ms": statistics.median(first) * 1e3,
            "run_ms": statistics.median(whole) * 1e3,
            "mb": resident(),
        }
    print(json.dumps(told))


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(main(sys.argv[1], int(sys.argv[2])))
