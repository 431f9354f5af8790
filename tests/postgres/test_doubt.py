"""A node that may be dead to the others begins no effect before it knows that it is not."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from engine import Engine, Retry, flow, task
from engine.flow import Flow
from engine.stores.postgres import PostgresStore
from engine.stores.postgres.lease import Leases
from tests.support.polling import until

renewing: asyncio.Event
seen: list[bool]


@task
async def plain() -> None:
    seen.append(renewing.is_set())


@task(retry=Retry(attempts=2))
async def careful() -> None:
    seen.append(renewing.is_set())


@flow
async def acts() -> None:
    await plain()
    await careful()


@flow
async def acts_carefully() -> None:
    await careful()
    await plain()


@pytest.mark.parametrize("first", [acts, acts_carefully])
async def test_its_tasks_wait_until_the_lease_is_renewed(
    url: str, first: Flow[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    global renewing, seen
    renewing, seen = asyncio.Event(), []
    store = PostgresStore(url, lease=timedelta(seconds=4), renew=timedelta(seconds=0.1))
    renew = Leases._renew_all

    async def cut_off(self: Leases, connection: object) -> None:
        if not renewing.is_set():
            raise ConnectionResetError("cut off")
        await renew(self, connection)  # type: ignore[arg-type]

    async with Engine(store, flows=[acts, acts_carefully]) as engine:
        assert store.doubts() is False
        monkeypatch.setattr(Leases, "_renew_all", cut_off)
        store._leases.trusted_until = 0.0
        assert store.doubts() is True
        run = await engine.start(first.bind())
        await until(lambda: run.num in engine.node.sessions and engine.node.sessions[run.num].delivery.asked)
        assert seen == []
        renewing.set()
        await run.result()
        assert seen == [True, True]
