"""A node of `sharing.py`: says `loaded`, waits for a line, runs what is queued, and tells what its claims cost.

`python -m bench.postgres.sharing_node STORE`; its last word is one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Coroutine, Generator, Sequence
from functools import partial
from typing import Any

from engine import Engine, flow, task
from engine.cli.tuning import loop_factory, tune
from engine.model.run import RunRecord
from engine.stores.postgres import PostgresStore
from tests.support.polling import until

ENDED: list[float] = []


@task
async def double(n: int) -> int:
    """One step."""
    return 2 * n


@flow
async def little(n: int) -> int:
    """What is shared."""
    answer = await double(n)
    ENDED.append(time.perf_counter())
    return answer


class Stepped:
    """Awaits a coroutine, and adds up the seconds in which it is being run rather than waited for."""

    def __init__(self, work: Coroutine[Any, Any, Any]) -> None:
        self._work = work
        self.seconds = 0.0

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self._work.__await__()
        go_on: Callable[[], Any] = partial(next, steps)
        while True:
            began = time.perf_counter()
            try:
                future = go_on()
            except StopIteration as end:
                return end.value
            finally:
                self.seconds += time.perf_counter() - began
            try:
                yield future
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is for the coroutine
                go_on = partial(steps.throw, error)
            else:
                go_on = partial(next, steps)


class Watched(PostgresStore):
    """Adds up what claims cost, until nothing is left to be claimed."""

    drained: asyncio.Event

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.claims = 0
        self.taken = 0
        self.at_work = 0.0
        self.held_up = 0.0
        self.under_way = 0.0
        self.began = 0.0

    async def claim(self, *args: Any, **wanted: Any) -> Sequence[RunRecord]:
        """As the store does, on the clock."""
        self.began = self.began or time.perf_counter()
        claimed: Sequence[RunRecord] = await self._watched(super().claim(*args, **wanted))
        self.claims += not self.drained.is_set()
        self.taken += len(claimed)
        if not claimed:
            self.drained.set()
        return claimed

    async def next_due(self, **wanted: Any) -> int | None:
        """As the store does, on the clock."""
        due: int | None = await self._watched(super().next_due(**wanted))
        return due

    async def _watched(self, work: Coroutine[Any, Any, Any]) -> Any:
        steps, began, idle = Stepped(work), time.perf_counter(), self.taken == len(ENDED)
        answer = await steps
        if not self.drained.is_set():
            took = time.perf_counter() - began
            self.under_way += took
            if idle:
                self.held_up += took
            else:
                self.at_work += steps.seconds
        return answer


async def main(url: str) -> None:
    """Run until nothing is queued and nothing is in memory."""
    print("loaded", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    store = Watched(url)
    store.drained = asyncio.Event()
    async with Engine(store, flows=[little]) as engine:
        tune()
        await store.drained.wait()
        await until(lambda: len(ENDED) >= store.taken and not engine.node.sessions, every=0.005)
    last = ENDED[-1] if ENDED else time.perf_counter()
    told = {
        "runs": len(ENDED),
        "claims": store.claims,
        "at_work": store.at_work,
        "held_up": store.held_up,
        "under_way": store.under_way,
        "seconds": last - store.began,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(main(sys.argv[1]))
