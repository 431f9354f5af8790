"""A CancelledError that a task's body raises by itself is a failure of that task: nobody has cancelled the flow."""

from __future__ import annotations

import asyncio

import pytest

from engine import RunFailed, TaskFailed, flow, task, testing
from tests.integration.conftest import MakeEngine


@task
async def awaits_what_was_cancelled() -> None:
    inner = asyncio.ensure_future(asyncio.Event().wait())
    inner.cancel()
    await inner


@task
async def after() -> str:
    return "after"


@flow
async def goes_on() -> str:
    try:
        await awaits_what_was_cancelled()
    except TaskFailed as error:
        return f"{await after()} {error.error_type}"
    return "nothing happened"


@flow
async def together() -> list[str]:
    answers = await asyncio.gather(awaits_what_was_cancelled(), after(), return_exceptions=True)
    await after()
    return [type(answer).__name__ for answer in answers]


@flow
async def gives_up() -> None:
    await awaits_what_was_cancelled()


async def test_the_flow_may_catch_it_and_replays() -> None:
    assert await testing.assert_replays(goes_on.bind()) == "after asyncio.exceptions.CancelledError"
    assert await testing.assert_replays(together.bind()) == ["TaskFailed", "str"]


async def test_the_run_has_failed_and_was_not_cancelled(make_engine: MakeEngine) -> None:
    async with make_engine(gives_up) as engine:
        run = await engine.start(gives_up.bind())
        with pytest.raises(RunFailed, match="awaits_what_was_cancelled"):
            await run.result()


@task
def in_a_thread() -> None:
    raise asyncio.CancelledError("from a thread")


@flow
async def threaded() -> str:
    try:
        await in_a_thread()
    except TaskFailed as error:
        return str(error)
    return "nothing happened"


async def test_a_thread_that_raises_it_has_failed_too(make_engine: MakeEngine) -> None:
    async with make_engine(threaded) as engine:
        assert "CancelledError" in await engine.run(threaded.bind())


@flow
async def cancels_its_own_step() -> str:
    step = asyncio.ensure_future(works_for_ever())
    await asyncio.sleep(0)
    step.cancel()
    with pytest.raises(asyncio.CancelledError):
        await step
    return await after()


@task
async def works_for_ever() -> None:
    await asyncio.Event().wait()


async def test_a_step_that_the_flow_cancels_is_cancelled() -> None:
    assert await testing.assert_replays(cancels_its_own_step.bind()) == "after"
