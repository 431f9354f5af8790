"""Rates with real engines: starts are spread over all nodes, a wait survives the process, and costs no memory."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest

from engine import Pool, Rate, Retry, RunCancelled, RunFailed, flow, sleep, task, testing
from engine.cli.digest import waits_of
from engine.model.run import RunState
from engine.rerun import rerun
from engine.runtime.pacing import HALF
from tests.integration.conftest import MakeEngine
from tests.integration.paced_work import two
from tests.integration.process import Processes
from tests.support.polling import until, until_state

HOURLY = Rate("hourly", 2, per=timedelta(hours=1), burst=1)
begun: list[float] = []
calls: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_yet() -> None:
    begun.clear()
    calls.clear()


@task(rate=Rate("api", 50, per=timedelta(seconds=1), burst=5))
async def ask(n: int) -> int:
    begun.append(time.monotonic())
    return n


@flow
async def asks(count: int) -> list[int]:
    return await ask.map(range(count), concurrency=count)


@task(rate=HOURLY)
async def seldom(name: str) -> str:
    calls.append(name)
    return name


@flow
async def rarely(name: str) -> str:
    return await seldom(name)


@task(rate=Rate("each", 1, per=timedelta(hours=1), key=lambda customer: customer or None))
async def told(customer: str, text: str = "") -> str:
    calls.append(customer)
    return customer


@flow
async def tells(customers: list[str]) -> list[str]:
    return [await told(customer, text="hello") for customer in customers]


@task(rate=HOURLY, retry=Retry(attempts=2, delay=timedelta(0)))
async def shaky(name: str) -> str:
    calls.append(name)
    if len(calls) < 2:
        raise ValueError(name)
    return name


@flow
async def tries(name: str) -> str:
    return await shaky(name)


@flow(rate=Rate("runs", 6, per=timedelta(hours=1), burst=2))
async def paced() -> None:
    return


@flow(rate=Rate("brisk", 1, per=timedelta(hours=1)), timeout=timedelta(minutes=1))
async def brisk() -> None:
    if calls:
        await sleep(timedelta(hours=3))
    calls.append("begun")


@flow(rate=Rate("rare", 1, per=timedelta(hours=1)))
async def rare(name: str) -> str:
    await note(name)
    raise ValueError(name)


@task
async def note(name: str) -> None:
    calls.append(name)


@flow
async def above() -> None:
    await paced()


@task(rate=Rate("narrow", 50, per=timedelta(seconds=1), burst=2), pool=Pool("narrow", 1))
async def narrow(n: int) -> int:
    begun.append(time.monotonic())
    return n


@flow
async def narrows() -> list[int]:
    return await narrow.map(range(6), concurrency=6)


async def test_two_nodes_share_a_rate(make_engine: MakeEngine) -> None:
    async with make_engine(asks) as one, make_engine(asks) as two:
        before = time.monotonic()
        runs = [await at.start(asks.bind(15)) for at in (one, two)]
        assert [await run.result() for run in runs] == [list(range(15))] * 2
    # 25 of the 30 are at least a second's 46th part apart. Starts may be late, the first one too, but never early.
    assert max(begun) - before >= 25 / 46 * 0.97


async def test_a_pool_and_a_rate_hold_together(make_engine: MakeEngine) -> None:
    async with make_engine(narrows) as engine:
        before = time.monotonic()
        assert await (await engine.start(narrows.bind())).result() == [*range(6)]
        await until(lambda: engine.node.sessions == {})
    assert begun[-1] - before >= 4 / 49 * 0.97


async def test_a_waiting_step_lets_its_run_leave_memory_and_keeps_its_place(make_engine: MakeEngine) -> None:
    async with make_engine(rarely, linger=0.0) as engine:
        runs = [await engine.start(rarely.bind(name)) for name in "abc"]
        assert await runs[0].result() == "a"
        for run in runs[1:]:
            await until_state(run, RunState.WAITING)
        await until(lambda: not engine.node.sessions)
        places = [(await run.record()).wake_at or 0 for run in runs[1:]]
        assert round((places[1] - places[0]) / 1e9) == 1800
    assert calls == ["a"]


async def test_time_passes_and_everybody_has_their_turn() -> None:
    async with testing.engine(flows=[rarely], linger=timedelta(0)) as engine:
        before = engine.time()
        runs = [await engine.start(rarely.bind(name)) for name in "abcd"]
        assert [await run.result() for run in runs] == [*"abcd"]
        assert engine.time() - before == 3 * timedelta(minutes=30)
        journals = [await engine.store.read(run.num) for run in runs]
    assert [sum(line.kind == "wait" for line in journal) for journal in journals] == [0, 1, 1, 1]
    assert calls == [*"abcd"]


async def test_each_key_has_its_rate_and_none_has_none() -> None:
    async with testing.engine(flows=[tells]) as engine:
        before = engine.time()
        run = await engine.start(tells.bind(["ann", "bob", "", "", "ann"]))
        assert len(await run.result()) == 5
        assert engine.time() - before == timedelta(hours=1)


async def test_every_attempt_counts() -> None:
    async with testing.engine(flows=[tries]) as engine:
        before = engine.time()
        assert await (await engine.start(tries.bind("x"))).result() == "x"
        assert engine.time() - before == timedelta(minutes=30)


async def test_who_comes_back_late_asks_again() -> None:
    """After a long stop all places lie behind: those who have them must not start together."""
    async with testing.engine(flows=[rarely], linger=timedelta(0)) as engine:
        runs = [await engine.start(rarely.bind(name)) for name in "abc"]
        await runs[0].result()
        for run in runs[1:]:
            await until_state(run, RunState.WAITING)
        store, blobs, late = engine.store, engine.blobs, engine.time() + timedelta(days=1)
    async with testing.engine(flows=[rarely], store=store, blobs=blobs, start=late) as engine:
        for run in runs[1:]:
            await (await engine.get(run.id)).result()
        assert engine.time() - late == timedelta(minutes=30)
    assert sorted(calls) == [*"abc"]


async def test_cancelling_ends_the_wait(make_engine: MakeEngine) -> None:
    async with make_engine(rarely) as engine:
        await (await engine.start(rarely.bind("a"))).result()
        second = await engine.start(rarely.bind("b"))
        await until(lambda: engine.node.sessions)
        await second.cancel()
        with pytest.raises(RunCancelled):
            await second.result()
    assert calls == ["a"]


async def test_runs_of_a_flow_are_put_off(make_engine: MakeEngine) -> None:
    async with make_engine() as engine:
        runs = [await engine.start(paced.bind(), id=str(n)) for n in range(4)]
        again = await engine.start(paced.bind(), id="3")
        records = [await run.record() for run in [*runs, again]]
    dues = [0 if run.wake_at is None else round((run.wake_at - run.created) / 60e9) for run in records]
    assert dues == [0, 0, 12, 24, 24]


async def test_awaited_runs_of_a_flow_are_put_off_as_well() -> None:
    async with testing.engine(flows=[paced, above]) as engine:
        before = engine.time()
        for _ in range(4):
            await (await engine.start(above.bind())).result()
        assert engine.time() - before == timedelta(minutes=24)


async def test_runs_that_nobody_took_up_in_time_do_not_begin_together() -> None:
    """After a long stop the places of all of them lie behind, and those that are asked for now come after them."""
    async with testing.engine(flows=[]) as nobody:
        for n in range(5):
            await nobody.start(paced.bind(), id=str(n))
        store, blobs, late = nobody.store, nobody.blobs, nobody.time() + timedelta(days=1)
    async with testing.engine(flows=[paced], store=store, blobs=blobs, start=late, linger=timedelta(0)) as engine:
        await engine.start(paced.bind(), id="5")
        for n in range(6):
            await (await engine.get(str(n))).result()
        ends = [(await engine.record(str(n))).ended or 0 for n in range(6)]
    assert sorted(round(end / 60e9 - late.timestamp() / 60) for end in ends) == [0, 0, 12, 24, 36, 48]


async def test_a_run_that_is_to_start_later_has_its_place_then() -> None:
    async with testing.engine(flows=[paced]) as engine:
        later = engine.time() + timedelta(days=1)
        runs = [await engine.start(paced.bind(), due=later) for _ in range(4)]
        for run in runs:
            await run.result()
        assert engine.time() - later == timedelta(minutes=24)


async def test_the_wait_for_a_place_is_no_time_of_the_flow() -> None:
    async with testing.engine(flows=[brisk], linger=timedelta(0)) as engine:
        later = engine.time() + timedelta(days=1)
        runs = [await engine.start(brisk.bind(), due=later) for _ in range(3)]
        await runs[0].result()
        waiting = await engine.store.list_runs(states=[RunState.WAITING])
        assert [waits_of(run.id, await engine.store.read(run.num))[0].kind for run in waiting] == ["rate", "rate"]
        for run in runs[1:]:
            with pytest.raises(RunFailed, match="did not end within 60 s"):
                await run.result()
            assert [wait.kind for wait in waits_of(run.id, await engine.store.read(run.num))] == ["sleep"]
        assert engine.time() - later == timedelta(hours=2, minutes=1)


async def test_a_rerun_takes_its_place(make_engine: MakeEngine) -> None:
    async with make_engine(rare, linger=0.0) as engine:
        first = await engine.start(rare.bind("a"))
        with pytest.raises(RunFailed):
            await first.result()
        again = await rerun(engine, await first.record(), rare)
        await until_state(again, RunState.WAITING)
        assert round(((await again.record()).wake_at or 0) / 1e9 - time.time()) == 3600
        await again.cancel()
        with pytest.raises(RunCancelled):
            await again.result()
    assert calls == ["a"]


async def test_a_key_that_fails_is_the_task_s_failure(make_engine: MakeEngine) -> None:
    @task(rate=Rate("r", 1, per=timedelta(seconds=1), key=lambda missing: missing))
    async def odd(n: int) -> int:
        return n

    @flow
    async def oddly() -> int:
        return await odd(1)

    async with make_engine(oddly) as engine:
        with pytest.raises(RunFailed, match=r"task .*odd, rate=: the function that makes the key raised TypeError"):
            await (await engine.start(oddly.bind())).result()


async def test_outside_an_engine_nothing_waits() -> None:
    assert [await rarely(name) for name in "abc"] == [*"abc"]  # the test's own time limit is an hour less
    assert calls == [*"abc"]


def test_an_attempt_whose_node_is_killed_as_it_begins_does_not_use_its_place_twice(
    make_engine: MakeEngine, processes: Processes
) -> None:
    """The other node has it back within moments, when its place would not be too old yet."""

    async def start() -> None:
        async with make_engine() as client:
            await client.start(two.bind())

    for name in ("one", "other"):
        processes.start("a_node", "tests.integration.paced_work", name)
    processes.wait_until(lambda: {"serving one", "serving other"} <= {*processes.ledger})
    asyncio.run(start())
    processes.wait_until(lambda: processes.rows("SELECT state FROM run") == [("succeeded",)])
    began = [line.split() for line in processes.ledger if line.startswith("began")]
    assert [number for _, number, _ in began] == ["1", "2", "2"]
    places = processes.rows("SELECT value FROM journal WHERE kind = 'wait' ORDER BY seq")
    assert len(places) == 2
    assert float(began[2][2]) - float(began[1][2]) >= 1.5 - HALF / 1e9
