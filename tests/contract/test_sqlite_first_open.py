"""A file that two processes make at once: the second waits for the first instead of failing."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from engine.stores.sqlite.store import SQLiteStore


async def test_opening_waits_for_whoever_is_making_the_file(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        store = SQLiteStore(path)
        opening = asyncio.create_task(store.open())
        done, _ = await asyncio.wait([opening], timeout=0.1)
        assert not done
        other.execute("ROLLBACK")
    await opening
    assert await store.nodes() == []
    await store.close()
