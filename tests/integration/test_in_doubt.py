"""A node that does not know whether it still counts as alive begins nothing for its runs until it does."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from engine import Engine, flow, task
from engine.stores.blobs import MemoryBlobs
from engine.stores.sqlite import SQLiteStore
from tests.support.polling import until


class Doubtful(SQLiteStore):
    """A store whose lease is in doubt when the test says so."""

    in_doubt: ClassVar[bool] = False
    asked: ClassVar[int] = 0

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
