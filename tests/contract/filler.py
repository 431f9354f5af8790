"""A program whose files may not grow beyond a size: writes until it is refused, then says what was acknowledged."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from typing import Literal

from engine.model.errors import StoreError
from engine.stores.sqlite import SQLiteStore
from tests.contract.harness import claimed, entry, write_as

ROOM = 600_000


async def _main(path: str, durability: Literal["process", "power"], lines: int) -> None:
    store = SQLiteStore(path, durability=durability)
    await store.open()
    run = await claimed(store)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM))
    acknowledged = 0
    refusal: Exception | None = None
    while refusal is None:
        try:
            await write_as(store, run, *(entry(run, acknowledged + n, value=b"x" * 5_000) for n in range(lines)))
            acknowledged += lines
        except StoreError as error:
            refusal = error
    readable = len(await store.read(run.num))
    print(json.dumps([acknowledged, readable, type(refusal).__name__, str(refusal)]), flush=True)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], "power" if sys.argv[2] == "power" else "process", int(sys.argv[3])))
