"""The server goes down and comes up under load: what was acknowledged is there, once, and work goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Literal

import pytest

from engine.model.errors import StoreError
from engine.model.run import RunRecord
from engine.ports.store import Store
from engine.stores.postgres import PostgresStore
from engine.stores.postgres.address import Address
from engine.stores.postgres.connect import Door
from tests.contract.conftest import opened
from tests.contract.harness import batch_of, claimed, entry, handed_over, log, new_run
from tests.support.polling import until
from tests.support.postgres import Server, serving


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server of this module's own: it is stopped and killed."""
    yield from serving()


class Load:
    """Batches of one, few and many lines, each with a line of log, until told to stop."""

    def __init__(self, store: Store, run: RunRecord) -> None:
        self.acknowledged = 0
        self.logged = 0
        self._store = store
        self._run = run
        self._stop = False

    async def go_on(self) -> None:
        while not self._stop:
            for size in (1, 3, 1100):
                lines = [entry(self._run, self.acknowledged + n) for n in range(size)]
                logs = [log(self._run, str(self.logged))] if size > 1 else []
                batch = batch_of(*lines, *logs, epochs={self._run.num: self._run.epoch})
                assert await handed_over(self._store, batch) == frozenset()
                self.acknowledged += size
                self.logged += len(logs)

    async def end(self, task: asyncio.Task[None]) -> None:
        self._stop = True
        await task

    async def reach(self, lines: int) -> None:
        await until(lambda: self.acknowledged >= lines, 30, tell=lambda: self.acknowledged)


@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_a_restart_loses_nothing_and_doubles_nothing(server: Server, mode: Literal["fast", "immediate"]) -> None:
    async with opened(PostgresStore(server.url, schema=mode)) as store:
        run = await claimed(store)
        load = Load(store, run)
        task = asyncio.ensure_future(load.go_on())
        for _ in range(2):
            await load.reach(load.acknowledged + 300)
            await asyncio.to_thread(server.stop, mode)
            created = asyncio.ensure_future(store.create(new_run(f"r{load.acknowledged}")))
            await asyncio.to_thread(server.start)
            assert (await created)[1]
            await load.reach(load.acknowledged + 300)
        await load.end(task)
        await store.beat("node")
        assert [line.seq for line in await store.read(run.num)] == [*range(load.acknowledged)]
        logged = [line.message for _, line in await store.logs(run.num, limit=1_000_000)]
        assert logged == [str(n) for n in range(load.logged)]
        assert len(await store.list_runs()) == 3


async def test_a_server_that_stays_away_is_told(server: Server) -> None:
    async with opened(PostgresStore(server.url, schema="away", patience=timedelta(seconds=0.3))) as store:
        run = await claimed(store)
        server.stop()
        try:
            with pytest.raises(StoreError, match=r"127\.0\.0\.1.*(reach|broke)"):
                await store.find("run")
            with pytest.raises(StoreError, match=r"127\.0\.0\.1.*(reach|broke)"):
                await handed_over(store, batch_of(entry(run, 0), epochs={run.num: run.epoch}))
        finally:
            server.start()
        assert await handed_over(store, batch_of(entry(run, 0), epochs={run.num: run.epoch})) == frozenset()
        assert len(await store.read(run.num)) == 1


async def test_a_write_that_the_server_does_not_answer_is_given_up(server: Server) -> None:
    async with opened(PostgresStore(server.url, schema="stuck", patience=timedelta(seconds=0.3))) as store:
        run = await claimed(store)
        await handed_over(store, batch_of(entry(run, 0), epochs={run.num: run.epoch}))
        holder = await Door(Address.parse(server.url), "a test").connect()
        await holder.execute("BEGIN; LOCK TABLE stuck.journal IN EXCLUSIVE MODE")
        for lines in ([entry(run, 1)], [entry(run, 1), entry(run, 2)]):
            with pytest.raises(StoreError, match="broke"):
                await asyncio.wait_for(handed_over(store, batch_of(*lines, epochs={run.num: run.epoch})), timeout=20)
        await holder.execute("ROLLBACK")
        await holder.close()
