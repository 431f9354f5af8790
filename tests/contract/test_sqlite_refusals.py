"""What cannot be opened says why, where, and what to do."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from engine.model.errors import StoreBusy, StoreCorrupt, StoreError, StoreReadOnly, StoreTooNew
from engine.model.run import RunRecord
from engine.stores.sqlite import SQLiteStore, database
from tests.contract.conftest import opened
from tests.contract.harness import claimed


async def _refused(path: Path, kind: type[StoreError], advice: str) -> StoreError:
    store = SQLiteStore(path)
    with pytest.raises(kind, match=advice) as raised:
        await store.open()
    assert str(path) in str(raised.value)
    await store.close()
    return raised.value


async def test_a_store_of_a_newer_headrace(path: Path) -> None:
    async with opened(SQLiteStore(path)):
        pass
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO schema (version, name, checksum) VALUES (999, 'future', '')")
        connection.commit()
    await _refused(path, StoreTooNew, "999.*[Uu]pgrade")


async def test_a_store_made_by_a_changed_build(path: Path) -> None:
    async with opened(SQLiteStore(path)):
        pass
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE schema SET checksum = 'other'")
        connection.commit()
    await _refused(path, StoreCorrupt, "migration 1")


async def test_a_text_file_stays_as_it_is(path: Path) -> None:
    path.write_text("dear diary\n" * 1_000)
    refusal = await _refused(path, StoreCorrupt, "--store")
    assert isinstance(refusal.__cause__, sqlite3.DatabaseError)
    assert path.read_text() == "dear diary\n" * 1_000


async def test_the_database_of_another_program_stays_as_it_is(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE run (x)")
    before = path.read_bytes()
    await _refused(path, StoreCorrupt, "another program")
    assert path.read_bytes() == before


async def test_a_damaged_store(path: Path) -> None:
    async with opened(SQLiteStore(path)) as store:
        await claimed(store)
    data = bytearray(path.read_bytes())
    data[100:4096] = b"\xff" * 3996
    path.write_bytes(data)
    refusal = await _refused(path, StoreCorrupt, "backup")
    assert isinstance(refusal.__cause__, sqlite3.DatabaseError)


async def test_damage_found_later_is_told_as_well(path: Path) -> None:
    async with opened(SQLiteStore(path)) as store:
        run = await claimed(store)
    data = bytearray(path.read_bytes())
    data[8192:] = b"\xff" * (len(data) - 8192)
    path.write_bytes(data)
    with pytest.raises(StoreCorrupt, match="backup"):
        await _read_everything(path, run)


async def _read_everything(path: Path, run: RunRecord) -> None:
    async with opened(SQLiteStore(path)) as store:
        await store.find(run.id)
        await store.list_runs(flow="f", tag="x")
        await store.read(run.num)


@pytest.mark.parametrize("where", ["file/state.db", "folder"])
async def test_a_place_where_no_file_can_be(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("not a directory")
    (tmp_path / "folder").mkdir()
    refusal = await _refused(tmp_path / where, StoreReadOnly, "directory")
    assert refusal.__cause__ is not None


async def test_a_file_system_that_nobody_may_write() -> None:
    await _refused(Path("/proc/headrace/state.db"), StoreReadOnly, "directory")


async def test_a_store_without_write_permission(readonly: Path) -> None:
    with _not_the_superuser():
        refusal = await _refused(readonly, StoreReadOnly, "directory")
    assert isinstance(refusal.__cause__, sqlite3.OperationalError)


@pytest.fixture
def readonly() -> Iterator[Path]:
    """A store that everybody may read and nobody may write."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "state.db")
        asyncio.run(_make(path))
        path.chmod(0o444)
        path.parent.chmod(0o555)
        yield path
        path.parent.chmod(0o755)


async def _make(path: Path) -> None:
    async with opened(SQLiteStore(path)):
        pass


@contextmanager
def _not_the_superuser() -> Generator[None]:
    # Permissions do not bind the superuser, as whom tests run in containers.
    me = os.geteuid()
    os.seteuid(me or 65534)
    try:
        yield
    finally:
        os.seteuid(me)


async def test_a_lock_that_is_never_given_up(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "THREAD_PATIENCE", 0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        refusal = await _refused(path, StoreBusy, "locked")
        other.execute("ROLLBACK")
    assert isinstance(refusal.__cause__, sqlite3.OperationalError)


async def test_a_path_is_needed() -> None:
    with pytest.raises(StoreError, match="MemoryStore"):
        SQLiteStore(":memory:")


async def test_a_closed_store_says_so(path: Path) -> None:
    store = SQLiteStore(path)
    with pytest.raises(StoreError, match="open"):
        await store.find("run")


async def test_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "state.db"
    async with opened(SQLiteStore(path)):
        assert path.exists()


async def test_nothing_is_left_beside_a_store_that_was_closed(path: Path) -> None:
    async with opened(SQLiteStore(path)) as store:
        await claimed(store)
        await store.leave("node")
    assert [item.name for item in path.parent.iterdir()] == [path.name]
