"""Pool slots are counted over all programs on a store."""

from __future__ import annotations

import pytest

from engine.model.errors import Fenced
from engine.model.limits import Pool, Takes
from engine.ports.store import Store
from tests.contract.harness import new_run, node


async def test_no_more_holders_than_slots(store: Store, other: Store) -> None:
    await store.join(node("a"))
    await other.join(node("b"))
    assert await store.acquire("db", 2, node="a", run=1, key="x")
    assert await other.acquire("db", 2, node="b", run=2, key="x")
    assert not await store.acquire("db", 2, node="a", run=1, key="y")
    assert await store.holders() == [("db", 1, "x", "a"), ("db", 2, "x", "b")]


async def test_a_released_slot_is_free(store: Store) -> None:
    await store.join(node())
    assert await store.acquire("db", 1, node="node", run=1, key="x")
    await store.release("db", run=1, key="x")
    await store.release("db", run=1, key="x")
    assert await store.holders() == []
    assert await store.acquire("db", 1, node="node", run=2, key="y")


async def test_the_same_holder_may_ask_twice(store: Store) -> None:
    await store.join(node())
    for _ in range(2):
        assert await store.acquire("db", 1, node="node", run=1, key="x")
    assert len(await store.holders()) == 1


async def test_pools_do_not_know_each_other(store: Store) -> None:
    await store.join(node())
    assert await store.acquire("db", 1, node="node", run=1, key="x")
    assert await store.acquire("gpu", 1, node="node", run=1, key="x")


ODD = ["it's", 'a "b"', "a\\'; --\n$1 {x, y} headrace.run", "größe: 1, e\u0301"]


@pytest.mark.parametrize("name", ODD)
async def test_names_and_keys_may_be_anything(store: Store, name: str) -> None:
    await store.join(node())
    pool = f"pool {name}"
    assert await store.acquire(pool, 2, node="node", run=9, key=name)
    run, _ = await store.create(new_run("a", flow=f"flow {name}"))
    takes = Takes(pools={run.flow: Pool(pool, 2)})
    assert [a.id for a in await store.claim("node", now=150, limit=9, flows=[run.flow], takes=takes)] == ["a"]
    assert await store.holders() == [(pool, 1, "", "node"), (pool, 9, name, "node")]
    assert not await store.acquire(pool, 2, node="node", run=2, key=name)


async def test_a_node_that_has_not_joined_holds_nothing(store: Store) -> None:
    with pytest.raises(Fenced, match="stranger"):
        await store.acquire("db", 1, node="stranger", run=1, key="x")
    assert await store.holders() == []
