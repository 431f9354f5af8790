"""Leaving memory costs what the run itself has there, however many others there are."""

from __future__ import annotations

import asyncio
import sys
from types import FrameType

from engine import flow, testing, wait_for
from tests.support.polling import until

FEW, MANY = 2, 200


@flow
async def branched(branches: int) -> None:
    async with asyncio.TaskGroup() as group:
        for number in range(branches):
            group.create_task(wait_for(f"go {number}", int))


async def calls_to_leave(others: int) -> int:
    """Functions that are called until a run of two branches has left the company of so many others."""
    calls = 0

    def count(frame: FrameType, event: str, arg: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    async with testing.engine(flows=[branched]) as engine:
        for _ in range(others):
            await engine.start(branched.bind(2))
        run = await engine.start(branched.bind(2))
        await engine.settle()
        session = engine.node.sessions[run.num]
        engine.node._park(session)
        sys.setprofile(count)
        try:
            await until(lambda: session.ended)
        finally:
            sys.setprofile(None)
        assert len(engine.node.sessions) == others
    return calls


async def test_it_is_no_more_work_among_many() -> None:
    few, many = await calls_to_leave(FEW), await calls_to_leave(MANY)
    assert many < few + MANY, f"{few} calls among {FEW} other runs, {many} among {MANY}"


async def test_every_task_of_a_run_is_known_and_no_other() -> None:
    async with testing.engine(flows=[branched]) as engine:
        run = await engine.start(branched.bind(3))
        await engine.start(branched.bind(2))
        await engine.settle()
        session = engine.node.sessions[run.num]
        mine = session.tasks.of(session.loop)
        assert {task for task in asyncio.all_tasks() if getattr(task, "session", None) is session} == set(mine)
        assert len(mine) == 1 + 3
        engine.node._park(session)
        await until(lambda: session.ended)
        assert session.tasks.of(session.loop) == []
