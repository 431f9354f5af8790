"""Signals: in order, each once, found when they came first, and never lost to a race."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from engine import RunFailed, flow, sleep, task, testing, wait_for
from engine.model.errors import ParameterError, RunConflict, UnknownRun
from engine.model.run import RunState
from engine.testing.disk import RememberingStore
from tests.integration.conftest import MakeEngine
from tests.support.polling import until, until_state


class Approval(BaseModel):
    """A payload with a type."""

    by: str
    amount: int = 0


@flow
async def approvals() -> list[str]:
    first = await wait_for("approve", Approval)
    second = await wait_for("approve", Approval)
    return [first.by, second.by]


@pytest.mark.parametrize("linger", [0.0, 60.0])
async def test_two_of_a_name_in_order(make_engine: MakeEngine, linger: float) -> None:
    async with make_engine(approvals, linger=linger) as engine:
        run = await engine.start(approvals.bind())
        await run.signal("approve", {"by": "ann", "amount": 3})
        await run.signal("approve", Approval(by="bob"))
        assert await run.result() == ["ann", "bob"]


async def test_one_that_came_before_the_run_had_begun_is_found(make_engine: MakeEngine) -> None:
    async with make_engine() as nobody:
        await nobody.start(approvals.bind(), id="early")
        await nobody.signal("early", "approve", {"by": "ann"})
        await nobody.signal("early", "other", 1)
        await nobody.signal("early", "approve", {"by": "bob"})
    async with make_engine(approvals) as engine:
        run = await engine.start(approvals.bind(), id="early")
        assert await run.result() == ["ann", "bob"]


@flow
async def tolerant() -> str:
    try:
        await wait_for("approve", Approval)
    except ParameterError as error:
        return f"{error} / {(await wait_for('approve', Approval)).by}"
    return "it did fit"


async def test_a_payload_that_does_not_fit_is_refused_by_name_and_the_next_is_taken() -> None:
    wrong_then_right: dict[str, list[Any]] = {"approve": [{"amount": 3}, {"by": "ann"}]}
    result = await testing.assert_replays(tolerant.bind(), signals=wrong_then_right)
    assert result is not None
    assert "signal 'approve' does not fit" in result
    assert "by" in result
    assert result.endswith("/ ann")


async def test_without_one_in_time_the_wait_fails_with_a_timeout(make_engine: MakeEngine) -> None:
    @flow
    async def impatient() -> str:
        try:
            return await wait_for("go", str, timeout=timedelta(milliseconds=5))
        except TimeoutError as error:
            return str(error)

    async with make_engine(impatient) as engine:
        run = await engine.start(impatient.bind())
        assert "no signal 'go' within" in await run.result()
        with pytest.raises(RunConflict):
            await run.signal("go", "late")
        with pytest.raises(UnknownRun):
            await engine.signal("nobody", "go")


async def test_inside_a_task_nobody_waits_for_signals(make_engine: MakeEngine) -> None:
    @task
    async def waits() -> None:
        await wait_for("go")

    @flow
    async def wrong() -> None:
        await waits()

    async with make_engine(wrong) as engine:
        with pytest.raises(RunFailed, match="signals go to flows"):
            await engine.run(wrong.bind())


@flow
async def race() -> str:
    """Gives up on a signal at the moment in which it may come, and asks again."""
    waiter = asyncio.ensure_future(wait_for("go", str))
    clock = asyncio.ensure_future(sleep(timedelta(minutes=1)))
    done, _ = await asyncio.wait([clock, waiter], return_when=asyncio.FIRST_COMPLETED)
    if waiter in done:
        got = f"at once: {waiter.result()}"
    else:
        waiter.cancel()
        await asyncio.wait([waiter])
        got = f"later: {await wait_for('go', str)}"
    await wait_for("end")
    return got


@pytest.mark.parametrize("passes", range(26))
async def test_one_that_comes_as_its_wait_is_given_up_is_still_there(passes: int) -> None:
    """Wherever it falls among the passes of the loop, and wherever the node dies after that."""
    store = RememberingStore()
    async with testing.engine(flows=[race], store=store) as engine:
        store.clock = engine.clock.now
        run = await engine.start(race.bind(), id="run")
        await engine.settle()
        engine.clock.go_to(engine.clock.now() + 60 * 10**9)
        for _ in range(passes):
            await asyncio.sleep(0)
        await run.signal("go", "here")
        sent = len(store.past)
        await engine.settle()
        await run.signal("end")
        result = await run.result()
    assert result in {"at once: here", "later: here"}
    for disk in store.past[sent:]:
        async with testing.engine(flows=[race], store=RememberingStore(disk=disk), signals={"end": [None]}) as engine:
            engine.clock.go_to(disk.at)
            again = await engine.start(race.bind(), id="run")
            assert await again.result() == result


async def test_a_parked_run_takes_one_that_was_sent_while_nobody_ran(make_engine: MakeEngine) -> None:
    async with make_engine(approvals, linger=0.0) as engine:
        run = await engine.start(approvals.bind(), id="parked")
        await until_state(run, RunState.WAITING)
        await until(lambda: not engine.node.sessions)
    async with make_engine() as nobody:
        await nobody.signal("parked", "approve", {"by": "ann"})
        await nobody.signal("parked", "approve", {"by": "bob"})
    async with make_engine(approvals, linger=0.0) as engine:
        assert await (await engine.get("parked")).result() == ["ann", "bob"]
