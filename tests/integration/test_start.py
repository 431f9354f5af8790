"""start: the run is on disk when it returns, the same id is the same run, and any process may do it."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine import Engine, flow, task
from engine.model.errors import RunConflict, UsageError
from engine.model.run import RunState
from tests.integration.conftest import MakeEngine
from tests.integration.process import Processes
from tests.support.polling import until_state


@task
async def double(number: int) -> int:
    return 2 * number


@flow
async def doubles(number: int) -> int:
    return await double(number)


@flow
async def other(number: int) -> int:
    return number


def test_it_is_on_disk_when_it_returns(processes: Processes) -> None:
    for durability in ("process", "power"):
        assert processes.start("test_start", durability).wait(60) == -signal.SIGKILL, processes.output
    started = processes.rows("SELECT id, state FROM run ORDER BY num")
    assert started == [("started-process", "queued"), ("started-power", "queued")]


async def test_the_same_id_is_the_same_run(make_engine: MakeEngine) -> None:
    async with make_engine(doubles) as engine:
        first = await engine.start(doubles.bind(2), id="one")
        second = await engine.start(doubles.bind(number=2), id="one")
        assert (first.created, second.created, first.num) == (True, False, second.num)
        assert await second.result() == 4
        with pytest.raises(RunConflict, match="started with number=2, not with number=3"):
            await engine.start(doubles.bind(3), id="one")
        with pytest.raises(RunConflict, match="belongs to a run of doubles"):
            await engine.start(other.bind(2), id="one")
        for wrong in ("", "a/b", " a", "x" * 300, "a\n"):
            with pytest.raises(UsageError, match="cannot be a run id"):
                await engine.start(doubles.bind(2), id=wrong)


async def test_a_hundred_at_once_under_one_id_are_one(make_engine: MakeEngine) -> None:
    async with make_engine(doubles) as engine:
        runs = await asyncio.gather(*(engine.start(doubles.bind(2), id="one") for _ in range(100)))
        assert sum(run.created for run in runs) == 1
        assert await runs[50].result() == 4
        assert len(await engine.store.list_runs()) == 1


async def test_what_another_engine_starts_is_picked_up(make_engine: MakeEngine) -> None:
    async with make_engine(doubles) as node, make_engine() as client:
        run = await client.start(doubles.bind(21))
        assert await run.result() == 42
        await until_state(await node.get(run.id), RunState.SUCCEEDED)


async def test_an_engine_among_other_things_on_a_loop(path: Path) -> None:
    """As in a web application: requests come and go as asyncio tasks of their own, and some are given up."""
    async with Engine(f"sqlite:///{path}", flows=[doubles]) as engine:

        async def request(number: int) -> int:
            return int(await engine.run(doubles.bind(number)))

        requests = [asyncio.create_task(request(number)) for number in range(30)]
        for given_up in requests[::3]:
            given_up.cancel()
        answers = await asyncio.gather(*requests, return_exceptions=True)
        assert [answer for answer in answers if isinstance(answer, int)] == [
            2 * number for number in range(30) if number % 3
        ]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (lambda: doubles(7), r"start\(\) takes doubles\.bind\(7\), not doubles\(7\)"),
        (lambda: doubles, r"start\(\) takes doubles\.bind\(\.\.\.\), not the flow doubles itself"),
        (lambda: "doubles", r"FLOW\.bind\(\.\.\.\), not 'doubles'"),
        (lambda: 7, r"FLOW\.bind\(\.\.\.\), not an object of type int"),
    ],
)
@pytest.mark.filterwarnings("error::RuntimeWarning")
async def test_what_is_not_bound_is_refused(make_engine: MakeEngine, given: Callable[[], Any], told: str) -> None:
    async with make_engine(doubles) as engine:
        with pytest.raises(UsageError, match=told):
            await engine.start(given())
        gc.collect()


async def test_an_engine_works_inside_its_block_only(make_engine: MakeEngine) -> None:
    engine = make_engine(doubles)
    with pytest.raises(UsageError, match=r"this engine is not running; use \"async with Engine\(\.\.\.\) as engine:\""):
        await engine.start(doubles.bind(1))
    async with engine:
        run = await engine.start(doubles.bind(1))
        assert await run.result() == 2
    for late in (engine.start(doubles.bind(2)), engine.get(run.id), run.signal("x"), run.cancel(), run.result()):
        with pytest.raises(UsageError, match="this engine is not running"):
            await late


async def test_two_slashes_make_a_host() -> None:
    with pytest.raises(UsageError, match=r"sqlite://x\.db names a host.*write sqlite:///x\.db"):
        Engine("sqlite://x.db")


async def die_after_start(durability: str) -> None:
    """The program: start a run that no node here can take, and die."""
    chosen = "power" if durability == "power" else "process"
    async with Engine("sqlite:///state.db", durability=chosen) as engine:  # type: ignore[arg-type]
        await engine.start(doubles.bind(1), id=f"started-{durability}")
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    asyncio.run(die_after_start(sys.argv[1]))
