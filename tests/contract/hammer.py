"""A program that writes batches and says which were acknowledged, until it is killed."""

from __future__ import annotations

import asyncio
import sys

from engine.model.run import RunRecord
from engine.ports.store import Store
from engine.stores.sqlite import SQLiteStore
from tests.contract.harness import batch_of, claimed, entry, handed_over, log

AT_ONCE = 5


async def _main(path: str, durability: str) -> None:
    store = SQLiteStore(path, durability="power" if durability == "power" else "process")
    await store.open()
    runs = [await claimed(store, f"run-{n}") for n in range(3)]
    number = 0
    while True:
        await asyncio.gather(*(_batch(store, runs, number + n) for n in range(AT_ONCE)))
        number += AT_ONCE


async def _batch(store: Store, runs: list[RunRecord], number: int) -> None:
    """A batch of one to four lines that know how many they are."""
    name, size = f"batch-{number}", number % 4 + 1
    lines = [entry(runs[n % 3], 4 * number + n, name=name, args=str(size)) for n in range(size)]
    logs = [log(runs[0], name)] if size > 1 else []
    epochs = {line.run: line.epoch for line in lines}
    assert await handed_over(store, batch_of(*lines, *logs, epochs=epochs)) == frozenset()
    print(name, flush=True)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2]))
