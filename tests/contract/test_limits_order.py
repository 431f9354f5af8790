"""Runs that wait go in order of rank: urgent ones first, and nobody waits for ever."""

from __future__ import annotations

from engine.model.change import Parked
from engine.model.limits import AGEING, PRIORITIES, rank
from engine.model.run import NewRun
from engine.ports.store import Store
from tests.contract.harness import claimed, new_run, node, write_as

MINUTE = 60 * 10**9


def asked(run_id: str, *, at: int, priority: int, due: int = 0) -> NewRun:
    """A run asked for at this time."""
    return new_run(run_id, created=at, due=due, priority=priority, rank=rank(since=max(at, due), priority=priority))


async def taken(store: Store, *, now: int, limit: int = 10) -> list[str]:
    return [run.id for run in await store.claim("node", now=now, limit=limit, flows=["f"])]


async def test_the_urgent_go_first_and_of_one_priority_the_oldest(store: Store) -> None:
    await store.join(node())
    for name, priority in [("gladly", 0), ("first", 5), ("second", 5), ("urgent", 9)]:
        await store.create(asked(name, at=100, priority=priority))
    assert await taken(store, now=200, limit=1) == ["urgent"]
    assert await taken(store, now=200) == ["first", "second", "gladly"]


async def test_a_step_of_priority_is_worth_a_minute_of_waiting(store: Store) -> None:
    await store.join(node())
    await store.create(asked("waits gladly", at=0, priority=4))
    await store.create(asked("a little later", at=MINUTE - 1, priority=5))
    await store.create(asked("too late", at=MINUTE + 1, priority=5))
    assert await taken(store, now=2 * MINUTE) == ["a little later", "waits gladly", "too late"]


async def test_only_those_go_before_a_run_that_came_within_nine_minutes(store: Store) -> None:
    """Two urgent runs a minute come for ever, and there is room for one."""
    await store.join(node())
    await store.create(asked("patient", at=0, priority=min(PRIORITIES)))
    went: list[str] = []
    for half in range(24):
        await store.create(asked(f"urgent-{half}", at=1 + half * MINUTE // 2, priority=max(PRIORITIES)))
        if half % 2:
            went += await taken(store, now=half * MINUTE, limit=1)
    while "patient" not in went:
        went += await taken(store, now=24 * MINUTE, limit=1)
    assert went[:-1] == [f"urgent-{half}" for half in range(18)]
    assert 9 * AGEING == 9 * MINUTE


async def test_waiting_counts_from_when_a_run_could_start(store: Store) -> None:
    await store.join(node())
    await store.create(asked("for later", at=0, priority=5, due=10 * MINUTE))
    await store.create(asked("since then", at=9 * MINUTE, priority=5))
    assert await taken(store, now=10 * MINUTE) == ["since then", "for later"]


async def test_of_many_whose_time_has_come_those_that_came_due_first_are_looked_at(store: Store) -> None:
    await store.join(node())
    for name, due, rank_ in [("c", 30, 1), ("b", 20, 3), ("a", 10, 2), ("at once", 0, 9)]:
        await store.create(new_run(name, due=due, rank=rank_))
    assert await taken(store, now=100, limit=2) == ["a", "b"]
    assert await taken(store, now=100, limit=2) == ["c", "at once"]


async def test_a_sleeper_keeps_its_place(store: Store) -> None:
    sleeper = await claimed(store, "sleeper", rank=rank(since=0, priority=5))
    await write_as(store, sleeper, Parked(sleeper.num, 1_000, 0))
    await store.create(asked("new", at=500, priority=5))
    await store.create(asked("new and urgent", at=500, priority=6))
    assert await taken(store, now=1_000) == ["new and urgent", "sleeper", "new"]


async def test_the_record_tells_priority_and_rank(store: Store) -> None:
    created, _ = await store.create(asked("a", at=7, priority=9))
    assert (created.priority, created.rank) == (9, 7 - 9 * MINUTE)
    assert await store.find("a") == created
