"""What another process writes reaches a node at once, and a little later when the word of it is lost."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial

import pytest

from engine import Engine, flow, wait_for
from engine.client import Client, RunHandle
from engine.model.run import RunState
from engine.settings import NodeSettings
from engine.stores.blobs import MemoryBlobs
from engine.stores.postgres import PostgresStore
from engine.stores.postgres.bell import Bell
from tests.contract.conftest import opened
from tests.support.polling import until, until_state

NEVER = NodeSettings(poll=timedelta(hours=1), linger=timedelta(hours=1))
"""Of a node that looks by itself once an hour: what it hears of, it was told."""


@flow
async def greeting() -> str:
    """A run that another process starts and signals."""
    return await wait_for("name", str)


async def _is_taken(run: RunHandle[str]) -> bool:
    return await run.state() is not RunState.QUEUED


async def test_a_node_is_woken_by_starts_signals_and_cancels_from_elsewhere(url: str) -> None:
    async with Engine(url, flows=[greeting], settings=NEVER), asyncio.timeout(20):
        for name in ("first", "second"):
            async with opened(PostgresStore(url)) as elsewhere:  # a program that has not told anybody anything yet
                client = Client(elsewhere, MemoryBlobs())
                run = await client.start(greeting.bind(), id=name)
                await until(partial(_is_taken, run))
                await run.signal("name", name)
                assert await run.result() == name
        async with opened(PostgresStore(url)) as elsewhere:
            run = await Client(elsewhere, MemoryBlobs()).start(greeting.bind(), id="third")
            await run.cancel("enough")
            await until_state(run, RunState.CANCELLED)


async def test_a_word_that_is_lost_costs_a_moment_and_nothing_else(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(_bell: Bell) -> None:
        """Nobody hears it."""

    monkeypatch.setattr(Bell, "ring", silent)
    monkeypatch.setattr(Bell, "word", silent)
    async with opened(PostgresStore(url)) as elsewhere, Engine(url, flows=[greeting]):
        run = await Client(elsewhere, MemoryBlobs()).start(greeting.bind())
        async with asyncio.timeout(10):
            await run.signal("name", "heard")
            assert await run.result() == "heard"
