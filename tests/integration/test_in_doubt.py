"""A node that does not know whether it still counts as alive begins nothing for its runs until it does."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from engine import Engine, flow, task, wait_for
from engine.model.run import RunState
from engine.stores.blobs import MemoryBlobs
from engine.stores.sqlite import SQLiteStore
from tests.support.polling import until


class Doubtful(SQLiteStore):
    """A store whose lease is in doubt when the test says so."""

    in_doubt: ClassVar[bool] = False
    asked: ClassVar[int] = 0
    child_is_there: ClassVar[bool] = False

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.doubts = self._doubts

    @staticmethod
    def _doubts() -> bool:
        Doubtful.asked += Doubtful.in_doubt
        return Doubtful.in_doubt


@task
async def wakes_up_late() -> int:
    Doubtful.in_doubt = True
    return 3


@task
async def square(number: int) -> int:
    return number * number


@flow
async def part(number: int) -> int:
    return await square(number)


@flow
async def stays() -> int:
    Doubtful.child_is_there = True
    return await wait_for("go", int)


@task
async def is_there() -> None:
    await until(lambda: Doubtful.child_is_there)


@flow
async def gives_up() -> str:
    child = asyncio.ensure_future(stays())
    await is_there()
    Doubtful.in_doubt = True
    child.cancel()
    with suppress(asyncio.CancelledError):
        await child
    return "gave up"


@flow
async def whole() -> int:
    return await part(await wakes_up_late())


async def test_no_child_run_is_made_by_a_node_in_doubt(tmp_path: Path) -> None:
    """Its run may have another owner by now, and may even have ended: nobody would wait for the child."""
    Doubtful.in_doubt, Doubtful.asked = False, 0
    store = Doubtful(tmp_path / "state.db")
    async with Engine(store, flows=[whole, part], blobs=MemoryBlobs()) as engine:
        run = await engine.start(whole.bind())
        await until(lambda: Doubtful.asked)
        children = await store.children(run.num)
        Doubtful.in_doubt = False
        assert children == []
        assert await run.result() == 9


async def test_no_child_run_is_cancelled_by_a_node_in_doubt(tmp_path: Path) -> None:
    """It may be the child of another node's run by now, which waits for it."""
    Doubtful.in_doubt, Doubtful.asked = False, 0
    Doubtful.child_is_there = False
    store = Doubtful(tmp_path / "state.db")
    async with Engine(store, flows=[gives_up, stays], blobs=MemoryBlobs()) as engine:
        run = await engine.start(gives_up.bind())
        await until(lambda: Doubtful.asked >= 3)
        (child,) = await store.children(run.num)
        Doubtful.in_doubt = False
        assert child.cancel is None
        assert await run.result() == "gave up"
        (child,) = await store.children(run.num)
        assert child.state is RunState.CANCELLED
