"""The node of `waiting.py`, in a process of its own: starts runs that wait for a signal, then does what stdin says.

`python -m bench.waiting_node STORE COUNT`. Each line on stdin is answered by a line of JSON: `inside N` signals N runs
from within, `heard N` waits until N signals have been acted on in all and tells how long each took.
"""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import sys
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from bench.machine import resident
from engine import Engine, NodeSettings, flow, wait_for
from engine.cli.tuning import loop_factory, tune
from tests.support.polling import until

SETTINGS = NodeSettings(linger=timedelta(milliseconds=20), concurrency=100)
"""Runs leave memory soon, so that the benchmark is not mostly waiting for that."""

BATCH = 500

HEARD: list[float] = []
CHANGED = asyncio.Event()


@flow
async def waiter() -> None:
    """Wait for a signal that tells when it was sent, by the clock that all processes share."""
    sent = await wait_for("go", int)
    HEARD.append((time.monotonic_ns() - sent) / 1e6)
    CHANGED.set()


async def main(store: Path, count: int) -> None:
    """Start the runs, see all of them leave memory, obey."""
    async with Engine(f"sqlite:///{store}", flows=[waiter], settings=SETTINGS) as engine:
        tune()
        empty = resident()
        began = time.perf_counter()
        for first in range(0, count, BATCH):
            for number in range(first, min(first + BATCH, count)):
                await engine.start(waiter.bind(), id=str(number))
            await asyncio.sleep(0)
        await _parked(store, count)
        print(json.dumps({"empty_mb": empty, "mb": resident(), "seconds": time.perf_counter() - began}), flush=True)
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            what, _, number = line.partition(" ")
            if what == "inside":
                await _inside(engine, count, int(number))
            else:
                await _heard(int(number))
            print(json.dumps({"heard_ms": HEARD, "mb": resident()}), flush=True)


async def _parked(store: Path, count: int) -> None:
    """Until every run waits in the store and none in memory."""
    query = "SELECT count(*) FROM run WHERE state = 'waiting'"
    with closing(sqlite3.connect(store)) as connection:
        await until(lambda: connection.execute(query).fetchone()[0] >= count, 3600, every=0.2)


async def _inside(engine: Engine, count: int, signals: int) -> None:
    for number in random.sample(range(count // 2), signals):
        before = len(HEARD)
        await engine.signal(str(number), "go", time.monotonic_ns())
        await _heard(before + 1)


async def _heard(signals: int) -> None:
    while len(HEARD) < signals:
        CHANGED.clear()
        await CHANGED.wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(main(Path(sys.argv[1]), int(sys.argv[2])))
