"""Work that is on its way before its task first runs: results, errors and cancellation reach it as in any task."""

from __future__ import annotations

import asyncio

import pytest

from engine.stores.postgres.connect import begun


async def test_it_runs_up_to_its_first_wait_at_once() -> None:
    answer = asyncio.get_running_loop().create_future()
    seen: list[str] = []

    async def work() -> str:
        seen.append("sent")
        seen.append(await answer)
        await asyncio.sleep(0)
        return "done"

    task = begun(work(), "work")
    assert seen == ["sent"]
    answer.set_result("answered")
    assert task is not None
    assert await task == "done"
    assert seen == ["sent", "answered"]


async def test_what_never_waits_is_over_at_once() -> None:
    seen: list[str] = []

    async def work() -> None:
        seen.append("done")

    assert begun(work(), "work") is None
    assert seen == ["done"]


async def test_the_error_of_what_it_waits_for_is_its_own_to_handle() -> None:
    answers = [asyncio.get_running_loop().create_future() for _ in range(2)]

    async def work() -> str:
        with pytest.raises(ValueError, match="first"):
            await answers[0]
        await answers[1]
        return "not reached"

    task = begun(work(), "work")
    assert task is not None
    answers[0].set_exception(ValueError("first"))
    answers[1].set_exception(KeyError("second"))
    with pytest.raises(KeyError, match="second"):
        await task


async def test_cancelling_its_task_cancels_it() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.append("ended")

    task = begun(work(), "work")
    assert task is not None
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["ended"]
