"""Everything is bounded: the journal of a run, the names of deep steps, the log lines that wait."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

import pytest

from engine import RunCancelled, RunFailed, current, flow, sleep, task, timeout, wait_for
from engine.core.scopes import PATH_LIMIT
from engine.runtime import commit, recording
from tests.integration.conftest import MakeEngine
from tests.support.polling import until

executed: list[int] = []


@task
async def step(number: int) -> int:
    executed.append(number)
    return number


@flow
async def endless() -> None:
    number = 0
    while True:
        await step(number)
        number += 1


async def test_a_journal_ends_before_a_step_has_its_effect(
    make_engine: MakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "MAX_LINES", 20)
    executed.clear()
    async with make_engine(endless) as engine:
        run = await engine.start(endless.bind())
        with pytest.raises(RunFailed, match="has 20 journal lines, the limit; let child runs do parts of the work"):
            await run.result()
        recorded = [line for line in await engine.store.read(run.num) if line.kind == "task"]
        assert len(recorded) == len(executed) <= 20


@flow
async def full() -> str:
    for number in range(5):
        await step(number)
    try:
        async with timeout(timedelta(hours=1)):
            await wait_for("never")
    except asyncio.CancelledError:
        executed.append(-1)
        raise
    return "impossible"


async def test_a_full_run_can_still_be_cancelled(make_engine: MakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    executed.clear()
    async with make_engine(full) as engine:
        run = await engine.start(full.bind())
        await until(lambda: engine.node.sessions and engine.node.sessions[run.num].waits)
        monkeypatch.setattr(recording, "MAX_LINES", 5)
        await run.cancel("enough")
        with pytest.raises(RunCancelled, match="enough"):
            await run.result()
        assert executed[-1] == -1


@task
async def deep(levels: int) -> int:
    if levels == 0:
        return 0
    left, right = await asyncio.gather(deep(levels - 1), twin(levels - 1))
    return left + right + 1


@task
async def twin(levels: int) -> int:
    return await deep(levels) if levels % 10 == 5 else 0


@flow
async def recursive() -> int:
    return await deep(40)


async def test_deep_recursion_keeps_keys_short_and_apart(make_engine: MakeEngine) -> None:
    async with make_engine(recursive) as engine:
        run = await engine.start(recursive.bind())
        await run.result()
        lines = [line for line in await engine.store.read(run.num) if line.kind == "task"]
        keys = {line.key for line in lines}
        assert len(lines) > 100
        assert len(keys) == len(lines)
        assert len({line.span for line in lines}) == len(lines)
        assert max(map(len, keys)) < 2 * PATH_LIMIT


@flow
async def talks(lines: int) -> int:
    for number in range(lines):
        current().logger.info("line %d", number)
    await sleep(0)
    current().logger.info("after the flood")
    return await step(lines)


async def test_log_lines_that_come_too_fast_are_dropped_counted_and_told(
    make_engine: MakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit, "LOG_LIMIT", 100)
    async with make_engine(talks) as engine:
        run = await engine.start(talks.bind(1000))
        await run.result()
        await engine.node.commit.flushed()
        logged = [line.message for _, line in await engine.store.logs(run.num, limit=5000)]
        assert logged[0] == "line 0"
        assert len([message for message in logged if message.startswith("line ")]) <= 100
        assert "after the flood" in logged
        assert any("log lines were dropped before this one" in message for message in logged)
        assert engine.node._log_handler.dropped >= 900


def test_the_root_logger_is_left_as_it_was() -> None:
    assert not [handler for handler in logging.getLogger().handlers if type(handler).__name__ == "RunLog"]
