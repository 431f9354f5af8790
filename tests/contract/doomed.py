"""A node to be killed: joins, claims runs, holds a slot, and says so."""

from __future__ import annotations

import asyncio
import os
import sys

from engine.ports.store import Store
from engine.stores.postgres import PostgresStore
from engine.stores.sqlite import SQLiteStore
from tests.contract.harness import node

FORKED = "DOOMED_FORKED"
"""Set in the environment: the node has a child that outlives it."""


async def live(store: Store, name: str, nums: list[int]) -> None:
    """What the node does before it dies."""
    await store.join(node(name))
    taken = await store.claim(name, now=150, limit=100, flows=["f"], only=nums)
    assert len(taken) == len(nums)
    assert await store.acquire("gpu", 10, node=name, run=0, key=name)


async def _main(place: str, name: str, nums: list[str]) -> None:
    store = PostgresStore(place) if "://" in place else SQLiteStore(place)
    await store.open()
    await live(store, name, [*map(int, nums)])
    if FORKED in os.environ and os.fork() == 0:
        sys.stdin.read()
        os._exit(0)  # without the clean-up of an event loop whose threads are not here
    print("alive", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2], sys.argv[3:]))
