"""Whole nodes behind PgBouncer in transaction mode, where no two statements need meet the same server process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import Engine
from engine.client import Client
from engine.model.run import RunState
from engine.stores.blobs import MemoryBlobs
from engine.stores.postgres import PostgresStore
from tests.contract.conftest import opened
from tests.postgres.a_node import journey
from tests.postgres.journeys import RESULT, under_way
from tests.postgres.nodes import processes
from tests.support.polling import until_state
from tests.support.pooler import pooler


@pytest.fixture
def pooled(url: str) -> Iterator[str]:
    """The test's store by way of a pooler."""
    with pooler(url) as pooled:
        yield pooled


async def test_the_pooler_is_noticed(pooled: str, url: str) -> None:
    async with opened(PostgresStore(pooled)) as behind, opened(PostgresStore(url)) as straight:
        assert isinstance(behind, PostgresStore)
        assert isinstance(straight, PostgresStore)
        assert behind._db.door.pooled
        assert not straight._db.door.pooled


async def test_a_node_behind_a_pooler_runs_what_it_is_given(
    pooled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the flow notes its steps in a file there
    async with Engine(pooled, flows=[journey]) as engine, opened(PostgresStore(pooled)) as store:
        elsewhere = Client(store, MemoryBlobs())
        handles = [await elsewhere.start(journey.bind(f"r{n}"), id=f"r{n}") for n in range(10)]
        for handle in handles:
            await handle.signal("go", "home")
        async with asyncio.timeout(60):
            assert [await handle.result() for handle in handles] == [RESULT] * 10
            cancelled = await engine.start(journey.bind("never"), id="never")
            await (await elsewhere.get("never")).cancel("not wanted")
            await until_state(cancelled, RunState.CANCELLED)  # it takes a moment to unwind
        assert await store.holders() == []


async def test_a_killed_node_s_runs_go_on_behind_a_pooler(pooled: str, tmp_path: Path) -> None:
    async with processes(f"{pooled}&lease=2", tmp_path) as nodes, under_way(nodes) as going, asyncio.timeout(60):
        await going.second.join()
        nodes.let_go()
        await going.first.kill()
        await going.finished()
