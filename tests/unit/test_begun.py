"""Work that is on its way before a task would first run: results, errors and cancellation reach it as in any task."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

import pytest

from engine.stores.postgres.begun import Begun


class Story:
    """What a piece of work has come to, step by step."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.tasks: list[bool] = []

    def tell(self, step: str) -> None:
        self.told.append(step)
        self.tasks.append(asyncio.current_task() is not None)


def future() -> asyncio.Future[str]:
    return asyncio.get_running_loop().create_future()


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_it_runs_up_to_its_first_wait_at_once_and_needs_no_task_for_one() -> None:
    story, answer = Story(), future()

    async def work() -> None:
        story.tell("sent")
        story.tell(await answer)

    begun = Begun(work(), "work")
    assert story.told == ["sent"]
    answer.set_result("answered")
    before = asyncio.all_tasks()
    await turns()
    assert story.told == ["sent", "answered"]
    assert story.tasks[1:] == [False]
    assert asyncio.all_tasks() == before
    del begun


async def test_what_waits_again_goes_on_in_a_task() -> None:
    story, answers = Story(), [future(), future()]

    async def work() -> None:
        story.tell(await answers[0])
        await asyncio.sleep(0)
        story.tell(await answers[1])

    begun = Begun(work(), "work")
    answers[0].set_result("first")
    await turns()
    answers[1].set_result("second")
    await turns()
    assert story.told == ["first", "second"]
    assert story.tasks == [False, True]
    del begun


async def test_work_that_only_gives_way_goes_on_in_a_task() -> None:
    story = Story()

    async def work() -> None:
        await asyncio.sleep(0)
        story.tell("done")

    begun = Begun(work(), "work")
    await turns()
    assert story.told == ["done"]
    del begun


async def test_what_never_waits_is_over_at_once() -> None:
    story = Story()

    async def work() -> None:
        story.tell("done")

    Begun(work(), "work")
    assert story.told == ["done"]


async def test_the_error_of_what_it_waits_for_is_its_own_to_handle_in_a_task() -> None:
    story, answers = Story(), [future(), future()]

    async def work() -> None:
        with pytest.raises(ValueError, match="first"):
            await answers[0]
        story.tell("handled")
        story.tell(await answers[1])

    begun = Begun(work(), "work")
    answers[0].set_exception(ValueError("first"))
    await turns()
    answers[1].set_result("second")
    await turns()
    assert story.told == ["handled", "second"]
    assert story.tasks == [True, True]
    del begun


async def test_a_wait_that_is_cancelled_cancels_it() -> None:
    story, answer = Story(), future()

    async def work() -> None:
        try:
            await answer
        except asyncio.CancelledError:
            story.tell("cancelled")
            raise

    begun = Begun(work(), "work")
    answer.cancel()
    await turns()
    assert story.told == ["cancelled"]
    del begun


async def test_nothing_of_whoever_began_it_is_in_its_context() -> None:
    theirs: ContextVar[str] = ContextVar("theirs", default="nothing")
    theirs.set("something")
    story, answer = Story(), future()

    async def work() -> None:
        story.tell(theirs.get())
        await answer
        story.tell(theirs.get())

    begun = Begun(work(), "work")
    answer.set_result("")
    await turns()
    assert story.told == ["nothing", "nothing"]
    del begun
