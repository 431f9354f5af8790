"""The write-ahead log is moved into the database from time to time, so that it stays small."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from engine.model.run import RunRecord
from engine.ports.store import Store
from engine.stores.sqlite import SQLiteStore, checkpoint
from tests.contract.conftest import opened
from tests.contract.harness import claimed, entry, write_as

LIMIT = 200_000


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "WAL_LIMIT", LIMIT)
    monkeypatch.setattr(checkpoint, "STRIDE", 10)


async def _write_until(store: Store, run: RunRecord, path: Path, small: bool) -> int:
    """Write until the log is small, or large; answers how many lines there are then."""
    lines = await store.read(run.num)
    wal = path.with_name(f"{path.name}-wal")
    for seq in range(len(lines), len(lines) + 100_000):
        await write_as(store, run, entry(run, seq, value=b"x" * 500))
        await asyncio.sleep(0)
        if (wal.stat().st_size < LIMIT // 2) if small else (wal.stat().st_size > 3 * LIMIT):
            return seq + 1
    raise AssertionError(f"the log has {wal.stat().st_size} bytes after all that")


@pytest.mark.parametrize("durability", ["process", "power"])
async def test_the_log_shrinks_while_writing_goes_on(path: Path, durability: str) -> None:
    async with opened(SQLiteStore(path, durability="power" if durability == "power" else "process")) as store:
        run = await claimed(store)
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM run").fetchone()
            await _write_until(store, run, path, small=False)  # a reader in the middle of something holds it up
            reader.execute("ROLLBACK")
        written = await _write_until(store, run, path, small=True)
        assert len(await store.read(run.num)) == written
