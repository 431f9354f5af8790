"""A child that diverges has not ended: its parent waits, in memory or not, until somebody lets the child go on."""

from __future__ import annotations

import pytest

from engine import flow, task, wait_for
from engine.model.errors import RunCancelled
from engine.model.run import RunState
from tests.integration.conftest import MakeEngine
from tests.support.polling import until, until_state

asked = 1


@task
async def number_of(number: int) -> int:
    return number


@flow
async def changing() -> int:
    return await number_of(asked) + await wait_for("more", int)


@flow
async def above() -> int:
    return await changing()


@pytest.mark.parametrize("linger", [0.0, 60.0])
async def test_the_parent_goes_on_when_the_child_does(make_engine: MakeEngine, linger: float) -> None:
    global asked
    asked = 1
    async with make_engine(above, changing, linger=0) as engine:
        run = await engine.start(above.bind(), id="p")
        await until_state(run, RunState.WAITING)
        (child,) = await engine.store.children(run.num)
        await until(lambda: not engine.node.sessions)
        await engine.signal(child.id, "more", 10)
        assert await run.result() == 11

        run = await engine.start(above.bind(), id="q")
        await until_state(run, RunState.WAITING)
        (child,) = await engine.store.children(run.num)
        await until(lambda: not engine.node.sessions)
    asked = 2
    async with make_engine(above, changing, linger=linger) as engine:
        await engine.signal(child.id, "more", 10)
        handle = await engine.get(child.id)
        await until_state(handle, RunState.DIVERGED)
        run = await engine.get("q")
        assert await run.state() in (RunState.WAITING, RunState.RUNNING)
        asked = 1
        await engine.store.requeue(child.id, now=engine.now())
        engine.node.news()
        assert await run.result() == 11


async def test_a_parent_that_is_cancelled_ends_its_diverged_child(make_engine: MakeEngine) -> None:
    global asked
    asked = 1
    async with make_engine(above, changing, linger=0) as engine:
        run = await engine.start(above.bind(), id="q")
        await until_state(run, RunState.WAITING)
        (child,) = await engine.store.children(run.num)
        await until(lambda: not engine.node.sessions)
    asked = 2
    async with make_engine(above, changing) as engine:
        await engine.signal(child.id, "more", 10)
        await until_state((await engine.get(child.id)), RunState.DIVERGED)
        run = await engine.get("q")
        await run.cancel()
        with pytest.raises(RunCancelled):
            await run.result()
        assert await (await engine.get(child.id)).state() is RunState.CANCELLED
