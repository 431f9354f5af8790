"""Starts and ends in one lane at the same moment on PostgreSQL, held in the middle: nobody is forgotten."""

from __future__ import annotations

import asyncio

from engine.model.change import Ended
from engine.model.run import RunState
from engine.stores.postgres import PostgresStore
from tests.contract.conftest import opened
from tests.contract.harness import claimed, new_run, write_as
from tests.support.postgres import in_the_middle, until_blocked

BEGUN = """\
INSERT INTO headrace.run (id, flow, version, fingerprint, python, created, trace, span, sampled, parent_span, origin,
    tags, params, lane, held)
VALUES ('b', 'f', '1', '', '', 1, '', 1, true, 0, '', '{}', '{}', 'x', true)"""


async def test_who_comes_while_the_last_one_ends_has_its_turn(url: str) -> None:
    async with opened(PostgresStore(url)) as store:
        await claimed(store, "a", lane="x")
        end = "UPDATE headrace.run SET state = 'succeeded', ended = 1, owner = NULL WHERE id = 'a'"
        async with in_the_middle(url, end) as ending:
            coming = asyncio.ensure_future(store.create(new_run("b", lane="x")))
            await until_blocked(store, url)
            await ending.execute("COMMIT")
            run, created = await coming
    assert (created, run.held) == (True, False)


async def test_an_end_sees_who_has_just_come(url: str) -> None:
    async with opened(PostgresStore(url)) as store:
        first = await claimed(store, "a", lane="x")
        share = f"SELECT 1 FROM headrace.run WHERE num = {first.num} FOR SHARE"
        async with in_the_middle(url, share, BEGUN) as coming:
            over = Ended(first.num, RunState.SUCCEEDED, b"1", None, None, 300)
            ending = asyncio.ensure_future(write_as(store, first, over))
            await until_blocked(store, url)
            await coming.execute("COMMIT")
            assert await ending == frozenset()
        assert [run.id for run in await store.claim("node", now=400, limit=9, flows=["f"])] == ["b"]
