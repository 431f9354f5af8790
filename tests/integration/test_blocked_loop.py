"""A blocked loop is reported with the run, the task and the stack, while no other node can take its runs."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest

from engine import flow, task
from engine.model.run import RunState
from tests.integration.conftest import MakeEngine
from tests.integration.process import Processes
from tests.support.polling import wait_until

reported = threading.Event()


@task
async def blocks() -> None:
    reported.wait(20)


@flow
async def with_a_blocking_task() -> None:
    await blocks()


@flow
async def blocks_itself() -> None:
    reported.wait(20)


@pytest.mark.parametrize(
    ("chosen", "named"),
    [(with_a_blocking_task, "run blocked, task blocks"), (blocks_itself, "run blocked, the flow itself")],
    ids=["task", "flow"],
)
async def test_the_one_who_blocks_it_is_named(
    make_engine: MakeEngine, caplog: pytest.LogCaptureFixture, chosen: object, named: str
) -> None:
    reported.clear()
    said = threading.Thread(target=_release_when, args=(caplog, named), daemon=True)
    said.start()
    async with make_engine(with_a_blocking_task, blocks_itself, blocked_after=timedelta(milliseconds=40)) as engine:
        run = await engine.start(chosen.bind(), id="blocked")  # type: ignore[attr-defined]
        await run.result()
        told = [record.getMessage() for record in caplog.records if "has stood still" in record.getMessage()]
        (text,) = [text for text in told if named in text]  # a busy machine may have kept the loop from turning, too
        assert "reported.wait(20)" in text, "the stack says where"
        said.join()


def _release_when(caplog: pytest.LogCaptureFixture, named: str) -> None:
    try:
        wait_until(lambda: named in caplog.text)
    finally:
        reported.set()


@task
async def sleeps_on_the_loop() -> str:
    time.sleep(2.5)  # noqa: ASYNC251 - the mistake itself
    return "awake"


@flow
async def sleepy() -> str:
    return await sleeps_on_the_loop()


FLOWS = (sleepy,)


async def test_another_node_does_not_take_its_runs(make_engine: MakeEngine, processes: Processes) -> None:
    """The other process looks for dead nodes the whole time that this one stands still."""
    child = processes.start("one_run", "tests.integration.test_blocked_loop", "sleepy")
    async with make_engine(sleepy, rescue_every=timedelta(milliseconds=5)) as engine:
        while (record := await engine.store.find("the-run")) is None or record.state is not RunState.SUCCEEDED:
            assert child.poll() in (None, 0), processes.output
            assert record is None or not engine.node.sessions, "taken over"
            await engine.node.look()
    processes.finish(child)
    assert record.epoch == 1
