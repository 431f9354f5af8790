"""Another program that opens a store when it is told to, and notes what it found."""

from __future__ import annotations

import asyncio
import sys

from engine.stores.postgres import PostgresStore
from tests.contract.harness import new_run


async def _main(url: str, name: str) -> None:
    store = PostgresStore(url)
    print("ready", flush=True)
    sys.stdin.readline()
    await store.open()
    _, new = await store.create(new_run(name))
    await store.close()
    print(new, flush=True)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2]))
