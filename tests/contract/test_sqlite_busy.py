"""Other programs write to the same file, and the loop's thread never waits for them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Generator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from engine.model.change import Ended
from engine.model.errors import StoreBusy, UnknownRun
from engine.model.run import RunState
from engine.stores.sqlite import SQLiteStore, database
from tests.contract.conftest import opened, started
from tests.contract.harness import batch_of, claimed, entry, handed_over, new_run, write_as


@pytest_asyncio.fixture
async def store(path: Path) -> AsyncIterator[SQLiteStore]:
    store = SQLiteStore(path)
    async with opened(store):
        yield store


@contextmanager
def locked(path: Path) -> Generator[None]:
    """Another connection writes, and takes its time."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


async def test_a_batch_that_meets_a_lock_is_written_later_and_in_order(store: SQLiteStore, path: Path) -> None:
    run = await claimed(store)
    epochs = {run.num: run.epoch}
    with locked(path):
        told = [handed_over(store, batch_of(entry(run, seq), epochs=epochs)) for seq in range(3)]
        told.append(handed_over(store, batch_of(entry(run, 3), entry(run, 4), epochs=epochs)))
        assert not any(future.done() for future in told)
        assert not store.immediate
    assert [await future for future in told] == [frozenset()] * 4
    assert [line.seq for line in await store.read(run.num)] == [*range(5)]
    assert store.immediate


async def test_what_comes_while_there_is_a_backlog_waits_its_turn(store: SQLiteStore, path: Path) -> None:
    run = await claimed(store)
    order: list[str] = []
    with locked(path):
        first = handed_over(store, batch_of(entry(run, 0), epochs={run.num: run.epoch}))
    first.add_done_callback(lambda _: order.append("first"))
    second = handed_over(store, batch_of(entry(run, 1), epochs={run.num: run.epoch}))
    second.add_done_callback(lambda _: order.append("second"))
    await asyncio.gather(first, second)
    assert order == ["first", "second"]


async def test_everything_else_waits_in_a_thread_too(store: SQLiteStore, path: Path) -> None:
    run = await claimed(store)
    with locked(path):
        created = asyncio.ensure_future(store.create(new_run("new")))
        signalled = asyncio.ensure_future(store.signal("run", "go", b"1", now=1))
        refused = asyncio.ensure_future(store.signal("nobody", "go", b"1", now=1))
        found = await store.find("run")  # reading goes on meanwhile
        assert found == run
        assert not any(future.done() for future in (created, signalled, refused))
    assert (await created)[1]
    assert (await signalled).num == run.num
    with pytest.raises(UnknownRun):
        await refused


async def test_a_caller_that_gives_up_leaves_the_others_alone(store: SQLiteStore, path: Path) -> None:
    await claimed(store)
    with locked(path):
        given_up = asyncio.ensure_future(store.signal("run", "one", b"1", now=1))
        kept = asyncio.ensure_future(store.signal("run", "two", b"1", now=1))
        await asyncio.sleep(0)
        given_up.cancel()
    assert (await kept).id == "run"
    with pytest.raises(asyncio.CancelledError):
        await given_up


async def test_a_lock_that_is_never_given_up_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "THREAD_PATIENCE", 0.05)
    async with opened(SQLiteStore(path)) as store:
        run = await claimed(store)
        with locked(path):
            told = handed_over(store, batch_of(entry(run, 0), epochs={run.num: run.epoch}))
            later = handed_over(store, batch_of(entry(run, 1), epochs={run.num: run.epoch}))
            with pytest.raises(StoreBusy, match=str(path)) as raised:
                await told
            assert isinstance(raised.value.__cause__, sqlite3.OperationalError)
            with pytest.raises(StoreBusy):
                await later
        await write_as(store, run, entry(run, 0))
        assert [line.seq for line in await store.read(run.num)] == [0]


async def test_after_a_failure_nothing_of_the_run_is_written_before_its_owner_knows(path: Path) -> None:
    """The journal must not get a hole: line 2 was handed over before the loss of line 1 was known."""
    async with opened(SQLiteStore(path, durability="power")) as store:
        run, other = await claimed(store), await claimed(store, "other")
        epochs = {run.num: run.epoch}
        good = handed_over(store, batch_of(entry(run, 0), epochs=epochs))
        bad = handed_over(store, batch_of(entry(run, 0), entry(run, 1), epochs=epochs))
        late = handed_over(store, batch_of(entry(run, 2), epochs=epochs))
        unharmed = handed_over(store, batch_of(entry(other, 0), epochs={other.num: other.epoch}))
        outcomes = await asyncio.gather(good, bad, late, unharmed, return_exceptions=True)
        assert [isinstance(outcome, Exception) for outcome in outcomes] == [False, True, True, False]
        await write_as(store, run, entry(run, 1))
        assert [line.seq for line in await store.read(run.num)] == [0, 1]
        assert len(await store.read(other.num)) == 1


async def test_two_programs_write_and_neither_loses_anything(store: SQLiteStore, path: Path) -> None:
    runs = 300
    child = await started("tests.contract.creator", path, runs)
    run = await claimed(store)
    finished = asyncio.ensure_future(child.communicate())
    written = 0
    while not finished.done() or written < 1_000:
        epochs = {run.num: run.epoch}
        first = handed_over(store, batch_of(entry(run, written), epochs=epochs))
        second = handed_over(store, batch_of(entry(run, written + 1), entry(run, written + 2), epochs=epochs))
        assert {*await asyncio.gather(first, second)} == {frozenset()}
        await asyncio.sleep(0)
        written += 3
    assert child.returncode == 0
    assert len(await store.read(run.num)) == written
    theirs = await store.list_runs(flow="theirs", limit=2 * runs)
    assert len(theirs) == runs
    await write_as(store, run, Ended(run.num, RunState.SUCCEEDED, b"1", None, None, 9))
