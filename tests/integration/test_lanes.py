"""Lanes and singletons with real engines: one at a time, in order, over all nodes, and never stuck."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from engine import RunCancelled, RunFailed, flow, sleep, wait_for
from engine.client import RunHandle
from engine.model.errors import NotKeyable, UsageError
from engine.model.run import RunState
from tests.integration.conftest import MakeEngine
from tests.integration.lane_flows import bill
from tests.integration.process import Processes
from tests.support.polling import until, until_state

went: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_yet() -> None:
    went.clear()


@flow(lane=lambda customer: customer)
async def ordered(customer: str, number: int) -> int:
    went.append(f"+{customer}{number}")
    await asyncio.sleep(0.001)
    if number < 0:
        raise ValueError("a bad order")
    went.append(f"-{customer}{number}")
    return number


@flow(lane=lambda customer: customer or None)
async def free(customer: str) -> str:
    return await wait_for("go", str)


@flow(singleton="skip")
async def skipping(number: int) -> int:
    return number + await wait_for("go", int)


@flow(singleton="queue", key=lambda shop: shop)
async def queueing(shop: str, number: int) -> int:
    return number + await wait_for("go", int)


@flow(singleton="replace")
async def replacing(number: int) -> int:
    try:
        return number + await wait_for("go", int)
    finally:
        went.append(f"left {number}")


@flow
async def parent(number: int) -> int:
    return await skipping(number)


@flow(lane=lambda: "one")
async def itself(depth: int) -> int:
    return await itself(depth - 1) if depth else 0


async def test_runs_of_a_lane_follow_each_other_and_lanes_do_not_wait(make_engine: MakeEngine) -> None:
    async with make_engine(ordered) as one, make_engine(ordered) as two:
        starts = [(at, customer, n) for n in range(6) for at, customer in ((one, "a"), (two, "b"))]
        runs = [await at.start(ordered.bind(customer, n)) for at, customer, n in starts]
        assert [await run.result() for run in runs] == [n for _, _, n in starts]
    for customer in "ab":
        mine = [note for note in went if customer in note]
        assert mine == [f"{sign}{customer}{n}" for n in range(6) for sign in "+-"]


async def test_a_failing_run_lets_the_next_one_go(make_engine: MakeEngine) -> None:
    async with make_engine(ordered) as engine:
        runs = [await engine.start(ordered.bind("a", number)) for number in (-1, 2)]
        with pytest.raises(RunFailed, match="a bad order"):
            await runs[0].result()
        assert await runs[1].result() == 2


async def test_the_wait_costs_nothing_and_a_key_of_none_is_no_lane(make_engine: MakeEngine) -> None:
    async with make_engine(free) as engine:
        runs = [await engine.start(free.bind(customer)) for customer in ("ann", "ann", "", "")]
        await until(lambda: len(engine.node.sessions) == 3)
        assert [(await run.record()).held for run in runs] == [False, True, False, False]
        for run in runs:
            await run.signal("go", run.id)
        assert [await run.result() for run in runs] == [run.id for run in runs]


async def test_a_killed_node_s_lane_goes_on_where_it_was(
    make_engine: MakeEngine, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(processes.folder)
    (processes.folder / "hold-ann-0").touch()
    async with make_engine() as starts:
        runs = [await starts.start(bill.bind("ann", n), id=f"r{n}") for n in range(4)]
    doomed = processes.start("a_node", "tests.integration.lane_flows", "doomed")
    await until(lambda: "begin ann 0" in processes.ledger, 60)
    processes.crash(doomed)
    (processes.folder / "hold-ann-0").unlink()
    async with make_engine(bill, rescue_every=timedelta(milliseconds=20)) as engine:
        results = [await (await engine.get(run.id)).result() for run in runs]
    assert results == [0, 1, 2, 3]
    assert [line for line in processes.ledger if line.startswith("end")] == [f"end ann {n}" for n in range(4)]


async def test_skip_answers_the_run_that_is_there_and_says_so(make_engine: MakeEngine) -> None:
    async with make_engine(skipping) as engine:
        first = await engine.start(skipping.bind(1))
        second = await engine.start(skipping.bind(2), id="second")
        assert (first.created, first.skipped) == (True, False)
        assert (second.created, second.skipped, second.id) == (False, True, first.id)
        await second.signal("go", 10)
        assert await second.result() == 11
        third = await engine.start(skipping.bind(2), id="second")
        assert (third.created, third.skipped, third.id) == (True, False, "second")
        again = await engine.start(skipping.bind(2), id="second")
        assert (again.created, again.skipped) == (False, False)


async def test_queue_waits_its_turn_for_each_key(make_engine: MakeEngine) -> None:
    async with make_engine(queueing) as engine:
        a, b, other = [await engine.start(queueing.bind(shop, n)) for shop, n in (("x", 1), ("x", 2), ("y", 3))]
        await until(lambda: len(engine.node.sessions) == 2)
        assert [(await run.record()).held for run in (a, b, other)] == [False, True, False]
        for run in (a, b, other):
            await run.signal("go", 0)
        assert [await run.result() for run in (a, b, other)] == [1, 2, 3]


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_replace_ends_the_one_before_and_starts_when_it_has_ended(
    make_engine: MakeEngine, elsewhere: bool
) -> None:
    async with make_engine(replacing) as engine, make_engine() as other:
        first = await engine.start(replacing.bind(1))
        await until(lambda: engine.node.sessions)
        second = await (other if elsewhere else engine).start(replacing.bind(2))
        with pytest.raises(RunCancelled, match="replaced by run"):
            await first.result()
        assert went == ["left 1"]
        await second.signal("go", 1)
        assert await second.result() == 3


async def test_of_many_that_replace_each_other_the_last_one_goes(make_engine: MakeEngine) -> None:
    async with make_engine(replacing) as engine:
        runs = [await engine.start(replacing.bind(n)) for n in range(5)]
        await runs[-1].signal("go", 1)
        assert await runs[-1].result() == 5
        states = [await run.state() for run in runs]
    assert states == [RunState.CANCELLED] * 4 + [RunState.SUCCEEDED]


async def test_an_awaited_singleton_waits_its_turn_for_a_result_of_its_own(make_engine: MakeEngine) -> None:
    async with make_engine(skipping, parent, linger=0.0) as engine:
        first = await engine.start(skipping.bind(1))
        above = await engine.start(parent.bind(100))
        await until_state(above, RunState.WAITING)
        await first.signal("go", 10)
        assert await first.result() == 11

        async def child() -> RunHandle[int] | None:
            found = await engine.store.children(above.num)
            return await engine.get(found[0].id) if found and not found[0].held else None

        await until(child)
        mine = await child()
        assert mine is not None
        await mine.signal("go", 20)
        assert await above.result() == 120


async def test_a_run_that_would_wait_for_itself_is_told(make_engine: MakeEngine) -> None:
    async with make_engine(itself) as engine:
        run = await engine.start(itself.bind(1))
        with pytest.raises(RunFailed, match="its own lane"):
            await run.result()


async def test_a_sleeping_run_keeps_its_lane(make_engine: MakeEngine) -> None:
    @flow(lane=lambda: "all")
    async def naps(name: str) -> None:
        went.append(name)
        await sleep(timedelta(hours=1))

    async with make_engine(naps, linger=0.0) as engine:
        first = await engine.start(naps.bind("a"))
        second = await engine.start(naps.bind("b"))
        await until_state(first, RunState.WAITING)
        assert (await second.record()).held
        await first.cancel()
        await until_state(second, RunState.WAITING)
    assert list(dict.fromkeys(went)) == ["a", "b"]


async def test_a_key_that_cannot_be_one_is_refused_before_anything_is_stored(make_engine: MakeEngine) -> None:
    async def work(name: str) -> None:
        return

    def broken(name: str) -> str:
        raise KeyError(name)

    odd = flow(lane=broken)(work)
    objects = flow(lane=object)(work)
    long = flow(lane=lambda name: name)(work)
    async with make_engine() as engine:
        with pytest.raises(UsageError, match=r"lane=: .* raised KeyError"):
            await engine.start(odd.bind("x"))
        with pytest.raises(NotKeyable, match="cannot be a key"):
            await engine.start(objects.bind("x"))
        lanes = [(await (await engine.start(long.bind("x" * 500 + end))).record()).lane for end in "ab"]
        assert lanes[0] != lanes[1]
        assert all(lane is not None and len(lane) < 250 for lane in lanes)
        assert len(await engine.store.list_runs()) == 2


@pytest.mark.parametrize(
    "options",
    [
        {"lane": lambda: "x", "singleton": "skip"},
        {"key": lambda: "x"},
        {"singleton": "wait"},
    ],
)
def test_options_that_contradict_each_other_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        flow(**options)  # type: ignore[call-overload]


async def test_a_rerun_takes_its_turn(make_engine: MakeEngine) -> None:
    from engine.rerun import rerun

    async with make_engine(skipping) as engine:
        first = await engine.start(skipping.bind(1))
        await first.signal("go", 1)
        assert await first.result() == 2
        second = await engine.start(skipping.bind(5))
        again = await rerun(engine, await first.record(), skipping)
        assert (await again.record()).held
        await second.signal("go", 0)
        await again.signal("go", 40)
        assert await again.result() == 41
