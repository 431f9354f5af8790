"""Flows that call flows: results, failures, cancellation, and a node that dies in between."""

from __future__ import annotations

import asyncio

import pytest

from engine import RunFailed, flow, task
from engine.model.errors import RunCancelled
from engine.model.run import RunState
from engine.runtime import recording
from engine.stores.sqlite import SQLiteStore
from tests.integration.conftest import MakeEngine
from tests.integration.process import Processes
from tests.support.polling import until


class OutOfStock(Exception):
    """An exception of the user's."""


@task
async def square(number: int) -> int:
    return number * number


@flow
async def part(number: int) -> int:
    if number < 0:
        raise OutOfStock("nothing left", number)
    return await square(number)


@flow
async def twice_the_same() -> list[int]:
    return [await part(3), await part(3), *await asyncio.gather(part(4), part(3))]


async def test_each_call_is_a_run_of_its_own(make_engine: MakeEngine) -> None:
    async with make_engine(twice_the_same, part) as engine:
        run = await engine.start(twice_the_same.bind(), id="top")
        assert await run.result() == [9, 9, 16, 9]
        children = await engine.store.children(run.num)
        assert len({child.id for child in children}) == 4
        assert all(child.id.startswith("top/part-") and child.parent == run.num for child in children)


@flow
async def catches() -> str:
    try:
        await part(-1)
    except OutOfStock as error:
        return f"{error.args}"
    return "nothing raised"


@flow
async def lets_through() -> None:
    await part(-1)


async def test_the_parent_gets_the_childs_exception(make_engine: MakeEngine) -> None:
    async with make_engine(catches, lets_through, part) as engine:
        assert await engine.run(catches.bind()) == "('nothing left', -1)"
        with pytest.raises(RunFailed) as failed:
            await engine.run(lets_through.bind())
        assert failed.value.error_type.endswith("OutOfStock")


@task
async def for_ever() -> None:
    await asyncio.Event().wait()


@flow
async def endless() -> None:
    await for_ever()


@flow
async def gives_up_on_a_child() -> str:
    child = asyncio.ensure_future(endless())
    await asyncio.wait([child, asyncio.ensure_future(square(2))], return_when=asyncio.FIRST_COMPLETED)
    child.cancel()
    await asyncio.wait([child])
    return f"cancelled: {child.cancelled()}"


@pytest.mark.parametrize("durability", ["process", "power"])
async def test_cancelling_the_call_cancels_the_child(make_engine: MakeEngine, durability: str) -> None:
    async with make_engine(gives_up_on_a_child, endless, durability=durability) as engine:
        run = await engine.start(gives_up_on_a_child.bind())
        assert await run.result() == "cancelled: True"
        (child,) = await engine.store.children(run.num)
        assert child.state is RunState.CANCELLED
        assert child.cancel == f"its parent {run.id} was cancelled"


async def test_a_cancelled_parent_outlives_children_that_take_their_time(
    make_engine: MakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "UNWINDING_GRACE", 0.02)
    tidied = asyncio.Event()

    @task
    async def tidies() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            asyncio.get_running_loop().call_later(0.2, tidied.set)
            await tidied.wait()

    @flow
    async def slow() -> None:
        await tidies()

    @flow
    async def parent() -> None:
        await asyncio.gather(endless(), slow())  # ends, cancelled, with the first of them

    async with make_engine(parent, endless, slow) as engine:
        run = await engine.start(parent.bind())
        await until(lambda: len(engine.node.sessions) == 3)
        await engine.cancel(run.id)
        with pytest.raises(RunCancelled):
            await run.result()
        assert tidied.is_set()
        assert [child.state for child in await engine.store.children(run.num)] == [RunState.CANCELLED] * 2


async def test_a_child_that_somebody_else_cancels_is_told_to_the_parent(make_engine: MakeEngine) -> None:
    @flow
    async def parent() -> str:
        try:
            await endless()
        except RunCancelled as error:
            return f"{type(error).__name__}: {error}"
        return "nothing raised"

    async with make_engine(parent, endless) as engine:
        run = await engine.start(parent.bind())
        await until(lambda: len(engine.node.sessions) == 2)
        (child,) = await engine.store.children(run.num)
        await engine.cancel(child.id, "by hand")
        assert await run.result() == f"RunCancelled: run {child.id} of endless was cancelled: by hand"


async def test_a_child_that_is_cancelled_before_it_starts(make_engine: MakeEngine) -> None:
    @flow
    async def parent() -> str:
        with pytest.raises(RunCancelled, match="not today"):
            await endless()
        return "told"

    async with make_engine(parent) as engine:  # this node cannot run the child, so it stays queued
        run = await engine.start(parent.bind())
        await until(lambda: engine.node.sessions and engine.node.sessions[run.num].waiting_children)
        (child,) = await engine.store.children(run.num)
        await engine.cancel(child.id, "not today")
        assert await run.result() == "told"


def test_a_node_that_dies_in_a_grandchild_and_after_the_children(processes: Processes) -> None:
    for _ in range(2):
        assert processes.start("one_run", "tests.integration.child_programs", "of_a_child").wait(60) == -9
    processes.finish(processes.start("one_run", "tests.integration.child_programs", "of_a_child"))
    ledger = processes.ledger
    assert ledger[-1] == "result [7, 4, 4]"
    assert sorted(line for line in ledger if line.startswith("number")) == [
        "number mortal", "number same", "number same", "number x",
    ]  # fmt: skip
    assert ledger.count("leaf same") == 2, "a child that has ended is not called again"
    assert len(processes.rows("SELECT 1 FROM run")) == 6


def test_a_cancellation_that_was_recorded_reaches_the_child_after_a_crash(processes: Processes) -> None:
    arguments = ("one_run", "tests.integration.child_programs", "dies_while_being_cancelled")
    child = processes.start(*arguments)
    processes.wait_until(lambda: "began" in processes.ledger)
    asyncio.run(_cancel(processes, "the-run"))
    assert child.wait(60) == -9
    assert "cleaned up" not in processes.ledger
    processes.finish(processes.start(*arguments))
    assert processes.ledger[-1] == "cancelled"
    assert processes.rows("SELECT state FROM run ORDER BY num") == [("cancelled",), ("cancelled",)]


async def _cancel(processes: Processes, run_id: str) -> None:
    store = SQLiteStore(processes.store)
    await store.open()
    await store.cancel(run_id, "enough", now=0)
    await store.close()


@flow
async def impatient(depth: int) -> int:
    async with asyncio.timeout(30):  # a clock of its own: this run cannot leave memory
        return 1 + (await impatient(depth - 1) if depth else 0)


async def test_parents_that_cannot_leave_give_their_place_to_their_children(make_engine: MakeEngine) -> None:
    async with make_engine(impatient, linger=0.0, concurrency=2) as engine:
        runs = [await engine.start(impatient.bind(3)) for _ in range(3)]
        assert [await run.result() for run in runs] == [4, 4, 4]
