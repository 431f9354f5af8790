"""Leaving memory: what arrives in the same moment must not be lost with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from engine import flow, testing, wait_for


@flow
async def approval() -> int:
    return await wait_for("go", int)


async def test_a_signal_that_comes_as_the_run_leaves_is_not_lost() -> None:
    async with testing.engine(flows=[approval]) as engine:
        run = await engine.start(approval.bind())
        await engine.settle()
        session = engine.node.sessions[run.num]
        await engine.store.signal(run.id, "go", b"7", now=engine.clock.now())
        await engine.node.look()  # the flow has been given its signal, and gets to it in the next pass of the loop
        engine.node._park(session)  # the linger is over in this pass
        assert await run.result() == 7


@flow
async def for_a_minute() -> str:
    try:
        return str(await wait_for("go", int, timeout=timedelta(minutes=1)))
    except TimeoutError:
        return "too late"


async def test_a_run_whose_wait_ends_now_stays_rather_than_come_back_at_once_for_ever() -> None:
    async with testing.engine(flows=[for_a_minute]) as engine:
        run = await engine.start(for_a_minute.bind())
        await engine.settle()
        session = engine.node.sessions[run.num]
        engine.node.settings = replace(engine.node.settings, linger=timedelta(0))
        engine.clock.go_to(session.wake_at() or 0)  # the timer rings in the next pass of the loop
        engine.node._park(session)
        assert session.closing is None
        assert await run.result() == "too late"
