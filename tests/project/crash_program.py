"""The flows behind docs/crashes.md. Each kills its own process once, in the middle; the same command resumes it.

python crash_program.py STORE FLOW      prints what happened, over all processes, one word list per line
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

from engine import Engine, Retry, UnknownOutcome, current, flow, now, random, task, uuid

LEDGER = Path("ledger")


def note(*words: object) -> None:
    """Write a line that survives the process."""
    with LEDGER.open("ab", buffering=0) as file:
        file.write((" ".join(map(str, words)) + "\n").encode())


def die_once() -> None:
    """End this process as kill -9 does, the first time that anybody asks."""
    try:
        Path("died").touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


@task
async def done(name: str) -> str:
    note("done", name)
    return name.upper()


@task
async def raises() -> None:
    note("raises")
    raise ValueError("no such customer", 7)


@task
async def dies() -> None:
    note("dies", current().attempt, current().idempotency_key)
    die_once()


@task(retry=Retry(attempts=5, delay=timedelta(milliseconds=20), jitter=0.0))
async def third_time_lucky() -> int:
    attempt = current().attempt
    note("attempt", attempt)
    if attempt == 2:
        die_once()
    if attempt < 3:
        raise RuntimeError(f"attempt {attempt}")
    return attempt


@task(on_unknown="ask")
async def launch() -> None:
    note("launch")
    die_once()


@task(on_unknown="fail")
async def wire() -> None:
    note("wire")
    die_once()


@flow
async def recorded() -> str:
    note("flow")
    result = await done("one")
    await dies()
    return result


@flow
async def failed() -> str:
    caught = ""
    try:
        await raises()
    except ValueError as error:
        caught = repr(error)
    await dies()
    return caught


@flow
async def retried() -> int:
    return await third_time_lucky()


@flow
async def values() -> bool:
    first = (now(), random(), uuid())
    note("values", *first)
    await dies()
    return first[0] < now()


@flow
async def child() -> str:
    note("child", current().run_id)
    await dies()
    return "child"


@flow
async def parent() -> str:
    return await child()


@flow
async def asked() -> str:
    try:
        await launch()
    except UnknownOutcome:
        return "unknown"
    return "launched"


@flow
async def failing() -> None:
    await wire()


FLOWS = (recorded, failed, retried, values, child, parent, asked, failing)


async def main(store: str, name: str) -> None:
    """Run one of the flows under one id, whichever process this is."""
    async with Engine(store, flows=FLOWS) as engine:
        chosen = next(each for each in FLOWS if each.name == name)
        run = await engine.start(chosen.bind(), id="the-run")
        print(await run.result())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
