"""Why runs do not go on: told of many by as many queries as of one, and from what is known alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, cast

import pytest

from engine.cli.reasons import View, look
from engine.model.limits import Pool
from engine.model.run import RunRecord, RunState
from engine.ports.store import Store
from engine.stores.memory import MemoryStore
from tests.contract.harness import claimed, new_run, node


class Counting:
    """A store that counts how often it is asked what."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.asked: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        self.asked[name] += 1
        return cast("Callable[..., Any]", getattr(self._store, name))


async def test_a_list_of_fifty_is_explained_by_as_many_queries_as_one_run() -> None:
    store = MemoryStore()
    runs = [await claimed(store, f"run {n}") for n in range(50)]
    counts: list[Counter[str]] = []
    for some in (runs[:1], runs):
        counting = Counting(store)
        await look(cast("Store", counting), some)
        counts.append(counting.asked)
    assert counts[0] == counts[1]
    assert counts[0].total() == 4


async def due(**fields: Any) -> RunRecord:
    record, _ = await MemoryStore().create(new_run(**fields))
    return record


NARROW = (("f", Pool("narrow", 2)),)
LONG_AFTER = 60 * 10**9


@pytest.mark.parametrize(
    ("pools", "held", "kinds"),
    [
        ([NARROW], {"narrow": 2}, ["pool"]),
        ([NARROW], {"narrow": 1}, ["room"]),
        ([NARROW, ()], {"narrow": 2}, ["room"]),
        ([], {}, ["node"]),
    ],
    ids=["its pool is full", "nobody takes it", "another node has no such pool", "no node"],
)
async def test_what_a_run_that_could_go_waits_for(pools: list[Any], held: dict[str, int], kinds: list[str]) -> None:
    nodes = [node(str(n), pools=each) for n, each in enumerate(pools)]
    run = await due()
    assert [wait.kind for wait in View(LONG_AFTER, nodes, held).waits(run)] == kinds


async def test_a_run_that_has_just_become_due_waits_for_nothing() -> None:
    run = await due()
    assert View(run.created, [node()], {}).waits(run) == []


@pytest.mark.parametrize(
    ("alive", "silent", "kinds"),
    [(True, 4.0, []), (True, 11.0, ["lease"]), (False, 21.0, ["dead node"])],
)
async def test_a_run_whose_node_is_not_heard_of(alive: bool, silent: float, kinds: list[str]) -> None:
    store = MemoryStore()
    run = await claimed(store)
    owner = node(alive=alive, lease=20.0, silent=silent)
    waits = View(1000, [owner], {}).waits(run)
    assert [wait.kind for wait in waits] == kinds
    if kinds == ["lease"]:
        assert waits[0].until == 1000 + 9 * 10**9
        assert "nothing is heard of its node node, whose lease lasts until" in str(waits[0])


async def test_a_run_that_has_ended_waits_for_nothing() -> None:
    run = await due()
    for state in (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED, RunState.DIVERGED):
        assert View(LONG_AFTER, [], {}).waits(run._replace(state=state)) == []
