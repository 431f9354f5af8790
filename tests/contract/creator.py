"""Another program that creates runs as fast as it can."""

from __future__ import annotations

import asyncio
import sys

from engine.stores.sqlite import SQLiteStore
from tests.contract.harness import new_run


async def _main(path: str, runs: int) -> None:
    store = SQLiteStore(path)
    await store.open()
    for number in range(runs):
        _, new = await store.create(new_run(f"theirs-{number}", flow="theirs"))
        assert new
    await store.close()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2])))
