"""`sys.exit()` in a flow or a task is its failure, and leaves the node alone."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from engine import Engine, PermanentError, RunFailed, flow, task


@task
async def leave(code: int) -> None:
    sys.exit(code)


@task
def leave_from_a_thread(code: int) -> None:
    sys.exit(code)


@flow
async def through_a_task(in_thread: bool) -> str:
    try:
        await (leave_from_a_thread(3) if in_thread else leave(3))
    except PermanentError as error:
        return str(error)
    return "went on"


@flow
async def by_itself() -> None:
    sys.exit("enough")


@pytest.mark.parametrize("in_thread", [False, True])
async def test_a_task_that_exits_has_failed_and_the_flow_may_catch_it(tmp_path: Path, in_thread: bool) -> None:
    async with Engine(f"sqlite:///{tmp_path / 'state.db'}", flows=[through_a_task]) as engine:
        first = await engine.start(through_a_task.bind(in_thread), id="a")
        assert "called sys.exit(3)" in await first.result()
        second = await engine.start(through_a_task.bind(in_thread), id="b")
        assert "called sys.exit(3)" in await second.result(), "the node goes on"


async def test_a_flow_that_exits_has_failed_and_the_node_goes_on(tmp_path: Path) -> None:
    async with Engine(f"sqlite:///{tmp_path / 'state.db'}", flows=[by_itself, through_a_task]) as engine:
        run = await engine.start(by_itself.bind(), id="a")
        with pytest.raises(RunFailed, match=r"flow by_itself called sys\.exit\('enough'\)"):
            await run.result()
        other = await engine.start(through_a_task.bind(False), id="b")
        assert "called sys.exit(3)" in await other.result()
