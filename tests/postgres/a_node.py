"""A node on a shared store: serves the flow below until it is killed or told to stop, and notes every task it runs."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

from engine import Engine, Pool, flow, sleep, task, wait_for
from engine.settings import NodeSettings
from tests.support.polling import until

LEASE = timedelta(seconds=2)
LEDGER = Path(os.environ.get("LEDGER", "ledger"))
HOLD = LEDGER.with_name("hold")
"""While there is this file, no part ends."""
SETTINGS = NodeSettings()
"""The defaults: a takeover in time must not need settings."""
LANES = Pool("lanes", 3)


def note(line: str) -> None:
    """One line, in one write, so that lines of several processes do not mix."""
    with LEDGER.open("ab", buffering=0) as ledger:
        ledger.write(f"{os.getpid()} {line}\n".encode())


@task
async def link(run: str, n: int) -> int:
    """A link of the chain."""
    note(f"{run} link-{n}")
    return n + 1


@task(pool=LANES)
async def part(run: str, n: int) -> int:
    """An item of the fan-out."""
    note(f"{run} part-{n}")
    await asyncio.sleep(0.05)
    await until(lambda: not HOLD.exists(), 60)
    return n * n


@flow
async def journey(run: str) -> list[int]:
    """A chain, a fan-out, a sleep and a signal."""
    n = 0
    for _ in range(5):
        n = await link(run, n)
    squares = await fan_out(run)
    await sleep(timedelta(milliseconds=300))
    word = await wait_for("go", str, timeout=timedelta(seconds=60))
    return [n, sum(squares), len(word)]


async def fan_out(run: str) -> list[int]:
    """Twenty parts at once."""
    return await asyncio.gather(*(part(run, n) for n in range(20)))


@task
async def turn(run: str) -> None:
    """What must not happen twice at once."""
    note(f"{run} begins")
    await asyncio.sleep(0.1)
    note(f"{run} ends")


@flow(lane=lambda: "all", pool=Pool("turns", 2))
async def in_line(run: str) -> str:
    """One run at a time, in order of start."""
    await turn(run)
    return run


async def _main(url: str) -> None:
    print("loaded", flush=True)
    sys.stdin.readline()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with Engine(url, flows=[journey, in_line], settings=SETTINGS) as engine:
        print(f"ready {engine.node.id}", flush=True)
        serving = asyncio.ensure_future(engine.serve())
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
        serving.cancel()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
