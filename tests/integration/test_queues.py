"""Which run goes first, and on which node: priorities, queues, required tags and pools of flows, with real engines."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from engine import Engine, NodeSettings, Pool, flow, sleep, task
from engine.model.errors import UsageError
from engine.model.run import RunState
from tests.integration.conftest import MakeEngine
from tests.support.polling import until, until_state

went: list[str] = []
inside: list[str] = []
most: list[int] = []


@pytest.fixture(autouse=True)
def _nothing_yet() -> None:
    for notes in (went, inside, most):
        notes.clear()


@flow
async def noted(name: str) -> str:
    went.append(name)
    return name


@flow(priority=9, queue="mail", requires=["smtp"])
async def urgent(name: str) -> str:
    return await noted(name)


@task
async def passing(name: str) -> None:
    inside.append(name)
    most.append(len(inside))
    for _ in range(20):
        await asyncio.sleep(0.001)
    inside.remove(name)


@flow(pool=Pool("narrow", 2))
async def narrow(name: str) -> str:
    await passing(name)
    return name


@flow(pool=Pool("sleepers", 1))
async def sleeper(hours: float) -> float:
    await sleep(timedelta(hours=hours))
    return hours


async def test_the_urgent_go_first_where_there_is_room_for_one(make_engine: MakeEngine) -> None:
    async with make_engine() as starts:  # a node without the flow: nothing goes before all are there
        for name, priority in [("gladly", 0), ("normal", None), ("second", 9), ("third", 9)]:
            await starts.start(noted.bind(name), id=name, priority=priority)
    async with make_engine(noted, concurrency=1) as engine:
        assert await (await engine.get("gladly")).result() == "gladly"
    assert went == ["second", "third", "normal", "gladly"]


async def test_a_node_runs_its_queues_and_leaves_the_others(make_engine: MakeEngine) -> None:
    async with make_engine(noted, queues=("mail",)) as engine:
        other = await engine.start(noted.bind("default"))
        mail = await engine.start(noted.bind("mail"), queue="mail")
        assert await mail.result() == "mail"
        assert await other.state() is RunState.QUEUED
        async with make_engine(noted):
            assert await other.result() == "default"


async def test_a_run_goes_where_its_tags_are(make_engine: MakeEngine) -> None:
    async with make_engine(noted, tags=("eu",)) as engine:
        eu = await engine.start(noted.bind("eu"), requires=["eu"])
        gpu = await engine.start(noted.bind("gpu"), requires=["eu", "gpu"])
        assert await eu.result() == "eu"
        assert await gpu.state() is RunState.QUEUED
        async with make_engine(noted, tags=("gpu", "eu")):
            assert await gpu.result() == "gpu"


async def test_a_child_has_what_it_does_not_say_from_its_parent(make_engine: MakeEngine) -> None:
    async with make_engine(noted, urgent, tags=("smtp", "eu")) as engine:
        parent = await engine.start(urgent.bind("x"), requires=["eu"])
        assert await parent.result() == "x"
        above = await parent.record()
        (child,) = await engine.store.children(parent.num)
    assert (above.priority, above.queue, above.requires) == (9, "mail", ("eu", "smtp"))
    assert (child.priority, child.queue, child.requires, child.rank) == (9, "mail", ("eu", "smtp"), above.rank)


async def test_what_is_given_at_the_start_goes_before_the_declaration(make_engine: MakeEngine) -> None:
    async with make_engine() as engine:
        run = await engine.start(urgent.bind("x"), priority=1, queue="slow")
        record = await run.record()
    assert (record.priority, record.queue, record.requires) == (1, "slow", ("smtp",))


async def test_a_run_that_is_named_goes_whatever_its_queue(make_engine: MakeEngine, path: object) -> None:
    async with make_engine() as engine:
        await engine.start(urgent.bind("x"), id="x")
    async with Engine(f"sqlite:///{path}", flows=[urgent, noted], only=[1]) as engine:
        assert await (await engine.get("x")).result() == "x"


@pytest.mark.parametrize(
    ("options", "told"),
    [({"priority": 10}, "0 .* to 9"), ({"queue": ""}, "name of a queue"), ({"requires": ["a,b"]}, "name of a tag")],
)
async def test_what_makes_no_sense_is_refused(make_engine: MakeEngine, options: dict[str, object], told: str) -> None:
    async with make_engine() as engine:
        with pytest.raises(UsageError, match=told):
            await engine.start(noted.bind("x"), **options)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=told):
        flow(**options)  # type: ignore[call-overload]


async def test_no_more_runs_at_once_than_the_pool_has_slots_on_two_nodes(make_engine: MakeEngine) -> None:
    async with make_engine(narrow) as one, make_engine(narrow):
        runs = [await one.start(narrow.bind(str(n))) for n in range(12)]
        assert [await run.result() for run in runs] == [str(n) for n in range(12)]
        await until(lambda: not inside)
    assert max(most) == 2


async def test_a_run_that_waits_for_long_holds_no_slot(make_engine: MakeEngine) -> None:
    async with make_engine(sleeper, linger=0.0) as engine:
        first = await engine.start(sleeper.bind(1))
        second = await engine.start(sleeper.bind(2))
        await until_state(first, RunState.WAITING)
        await until_state(second, RunState.WAITING)
        assert await engine.store.holders() == []


async def test_a_full_pool_does_not_make_the_node_turn(make_engine: MakeEngine) -> None:
    """Nothing is due that only another run's end makes room for."""
    async with make_engine(sleeper, noted) as engine:
        first = await engine.start(sleeper.bind(1))
        await until(lambda: engine.node.sessions)
        await engine.start(sleeper.bind(2))
        assert await engine.store.next_due(flows=["sleeper"], takes=engine.node.duty.takes) is None
        await first.cancel()
        await until(lambda: 2 in engine.node.sessions)


def test_settings_name_queues_and_tags() -> None:
    assert (NodeSettings().queues, NodeSettings().tags) == (None, ())
