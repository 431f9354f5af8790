"""A rehearsal says what other code would make of an unfinished run, and does nothing."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from engine import Engine, flow, now, rehearsal, sleep, task, timeout, wait_for
from engine.flow import Flow
from engine.model.run import RunState
from engine.rehearsal import Verdict, rehearse
from tests.integration.conftest import MakeEngine
from tests.support.polling import until_state

done: list[str] = []


@task
async def step(name: str, number: int = 0) -> str:
    done.append(name)
    return name


@task
async def refuses() -> None:
    raise ValueError("no")


@flow(name="job")
async def job() -> str:
    await step("one", 1)
    now()
    await step("two", 2)
    await wait_for("go")
    return await step("three", 3)


@flow(name="job")
async def with_other_arguments() -> str:
    await step("one", 1)
    now()
    await step("two", 22)
    await wait_for("go")
    return await step("three", 3)


@flow(name="job")
async def with_a_step_removed() -> str:
    await step("one", 1)
    await wait_for("go")
    return await step("three", 3)


@flow(name="job")
async def with_a_step_at_the_end() -> str:
    await step("one", 1)
    now()
    await step("two", 2)
    await wait_for("go")
    await step("three", 3)
    return await step("four", 4)


@flow(name="job")
async def with_a_step_before_the_wait() -> str:
    await step("one", 1)
    now()
    await step("two", 2)
    await step("new", 0)
    await sleep(timedelta(days=1))
    return "new"


@flow(name="job")
async def with_a_mistake() -> str:
    await step("one", 1)
    raise ZeroDivisionError("division by zero")


@flow(name="job")
async def that_ends_early() -> str:
    return await step("one", 1)


@flow(name="job")
async def under_a_deadline() -> str:
    async with timeout(timedelta(days=30)):
        await step("one", 1)
        now()
        async with asyncio.TaskGroup() as group:
            group.create_task(step("two", 2))
        return await wait_for("go", str)


def contents(path: Path) -> list[tuple[Any, ...]]:
    """Every row of every table."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        return [(table, *row) for table in tables for row in db.execute(f"SELECT * FROM {table}")]


async def waiting_run(engine: Engine) -> str:
    """A run of `job` that has done two steps and waits for its signal, out of memory."""
    run = await engine.start(job.bind(), id="waits")
    await until_state(run, RunState.WAITING)
    return run.id


@pytest.mark.parametrize(
    ("code", "outcome", "detail"),
    [
        (job, "same", "recorded results are found again"),
        (with_a_step_at_the_end, "same", "recorded results are found again"),
        (with_other_arguments, "diverges", "number=22"),
        (with_a_step_removed, "goes on", "has not asked for what was recorded: now(), step("),
        (that_ends_early, "goes on", "without asking for what was recorded"),
        (with_a_mistake, "error", "ZeroDivisionError"),
        (with_a_step_before_the_wait, "same", "recorded results are found again"),
    ],
    ids=lambda value: value.fn.__name__ if isinstance(value, Flow) else "",
)
async def test_the_verdict(
    make_engine: MakeEngine, path: Path, code: Flow[..., Any], outcome: str, detail: str
) -> None:
    done.clear()
    async with make_engine(job, linger=0.0) as engine:
        run_id = await waiting_run(engine)
    assert done == ["one", "two"]
    verdict, before, after = await rehearsed(make_engine(), run_id, code, path)
    assert (verdict.outcome, detail in verdict.detail) == (outcome, True), verdict
    assert verdict.code_changed == (code is not job)
    assert done == ["one", "two"], "a rehearsal calls no task"
    assert before == after


async def rehearsed(
    engine: Engine, run_id: str, code: Flow[..., Any], path: Path
) -> tuple[Verdict, list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """The verdict, and all that is in the store before and after."""
    store = engine.store
    await store.open()
    try:
        record = await store.find(run_id)
        assert record is not None
        before = contents(path)
        verdict = await rehearse(store, record, code, blobs=engine.blobs)
        return verdict, before, contents(path)
    finally:
        await store.close()


async def test_a_run_that_has_recorded_nothing_is_rehearsed_without_effects(
    make_engine: MakeEngine, path: Path
) -> None:
    done.clear()
    async with make_engine() as engine:
        await engine.start(job.bind(), id="fresh")
    verdict, before, after = await rehearsed(make_engine(), "fresh", job, path)
    assert verdict.outcome == "same"
    assert done == []
    assert before == after


async def test_a_block_under_a_deadline_is_rehearsed_too(make_engine: MakeEngine, path: Path) -> None:
    done.clear()
    async with make_engine(job, linger=0.0) as engine:
        run_id = await waiting_run(engine)
    verdict, _, _ = await rehearsed(make_engine(), run_id, under_a_deadline, path)
    assert verdict.outcome == "same", verdict
    assert done == ["one", "two"]


@flow(name="job")
async def that_waits_for_something_else() -> str:
    await asyncio.Event().wait()
    return await step("one", 1)


async def test_a_flow_that_waits_for_what_is_not_recorded_is_not_judged(
    make_engine: MakeEngine, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsal, "PATIENCE", 0.05)
    async with make_engine(job, linger=0.0) as engine:
        run_id = await waiting_run(engine)
    verdict, _, _ = await rehearsed(make_engine(), run_id, that_waits_for_something_else, path)
    assert verdict.outcome == "error"
    assert "waits for something that is not recorded; not asked for yet: step(" in verdict.detail


async def test_parameters_that_do_not_fit_are_an_error_and_leave_the_loop_as_it_was(
    make_engine: MakeEngine, path: Path
) -> None:
    @flow(name="job")
    async def with_a_parameter(day: str) -> str:
        return day

    async with make_engine() as engine:
        await engine.start(job.bind(), id="fresh")
    factory = asyncio.get_running_loop().get_task_factory()
    verdict, _, _ = await rehearsed(make_engine(), "fresh", with_a_parameter, path)
    assert verdict.outcome == "error"
    assert "day" in verdict.detail
    assert asyncio.get_running_loop().get_task_factory() is factory
