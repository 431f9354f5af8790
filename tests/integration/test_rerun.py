"""Rerun: a new run of the same parameters that keeps what it may, and leaves the old one as it is."""

from __future__ import annotations

from datetime import datetime

import pytest

from engine import RunFailed, flow, now, task, wait_for
from engine.model.errors import RunConflict, UsageError
from engine.model.run import RunState
from engine.rerun import rerun
from tests.integration.conftest import MakeEngine

executed: list[str] = []
broken: set[str] = set()


@pytest.fixture(autouse=True)
def all_well() -> None:
    executed.clear()
    broken.clear()


@task
async def step(name: str) -> str:
    executed.append(name)
    if name in broken:
        raise ConnectionError(name)
    return name.upper()


@task
async def collect(parts: list[str]) -> str:
    executed.append("collect")
    if "collect" in broken:
        raise ConnectionError("collect")
    return "+".join(parts)


@flow
async def part(name: str) -> str:
    return await step(name)


@flow
async def whole() -> tuple[str, datetime]:
    at = now()
    first = await step("first")
    parts = await step.map(["a", "b", "c"], errors="collect")
    child = await part("child")
    return await collect([first, *map(str, parts), child]), at


async def test_what_failed_is_performed_again_and_nothing_else(make_engine: MakeEngine) -> None:
    broken.update({"b", "collect"})
    async with make_engine(whole, part) as engine:
        old = await engine.start(whole.bind(), id="report")
        with pytest.raises(RunFailed, match="ConnectionError"):
            await old.result()
        broken.clear()
        executed.clear()
        new = await rerun(engine, await old.record(), whole, failed=True)
        text, at = await new.result()
        assert (new.id, text) == ("report.rerun-1", "FIRST+A+B+C+CHILD")
        assert executed == ["b", "collect"]
        assert (await new.record()).rerun_of == "report"
        assert await old.state() is RunState.FAILED
        recorded = next(line for line in await engine.store.read(old.num) if line.name == "now")
        assert int(at.timestamp() * 1e6) == recorded.started // 1000, "the clock that was read is kept"
        assert (await rerun(engine, await old.record(), whole, failed=True)).id == "report.rerun-2"


async def test_from_a_task_what_came_before_is_kept(make_engine: MakeEngine) -> None:
    async with make_engine(whole, part) as engine:
        old = await engine.start(whole.bind(), id="report")
        await old.result()
        for chosen, again in (("collect", ["collect"]), ("part", ["child", "collect"])):
            executed.clear()
            text, _ = await (await rerun(engine, await old.record(), whole, from_task=chosen)).result()
            assert text == "FIRST+A+B+C+CHILD"
            assert executed == again
        executed.clear()
        await (await rerun(engine, await old.record(), whole)).result()
        assert sorted(executed) == ["a", "b", "c", "child", "collect", "first"]


async def test_what_makes_no_sense_is_refused(make_engine: MakeEngine) -> None:
    async with make_engine() as engine:
        waiting = await engine.start(whole.bind(), id="waits")
        with pytest.raises(RunConflict, match="only a run that has ended"):
            await rerun(engine, await waiting.record(), whole)
    async with make_engine(whole, part) as engine:
        old = await engine.get("waits")
        await old.result()
        with pytest.raises(UsageError, match=r"no task 'colect'; it has .*collect"):
            await rerun(engine, await old.record(), whole, from_task="colect")
        with pytest.raises(UsageError, match="not both"):
            await rerun(engine, await old.record(), whole, from_task="step", failed=True)
        with pytest.raises(RunConflict, match="is in use"):
            await rerun(engine, await old.record(), whole, new_id="waits")


@flow
async def counts_votes() -> int:
    await wait_for("begin", str)
    votes: int = await wait_for("votes", int)
    return votes


async def test_a_signal_that_did_not_fit_is_waited_for_again(make_engine: MakeEngine) -> None:
    async with make_engine(counts_votes) as engine:
        old = await engine.start(counts_votes.bind(), id="poll")
        await old.signal("begin", "now")
        await old.signal("votes", "many")
        with pytest.raises(RunFailed, match="signal 'votes' does not fit"):
            await old.result()
        new = await rerun(engine, await old.record(), counts_votes, failed=True)
        await new.signal("votes", 3)
        assert await new.result() == 3


@flow
async def mixed() -> str:
    first = await step("first")
    await part("child")
    return f"{first} {await wait_for('approval')} {await step('last')}"


async def test_children_and_signals_are_places_to_begin_from(make_engine: MakeEngine) -> None:
    async with make_engine(mixed, part) as engine:
        old = await engine.start(mixed.bind(), id="old")
        await old.signal("approval", 1)
        assert await old.result() == "FIRST 1 LAST"
        with pytest.raises(
            UsageError, match=r"no task 'colect'; it has step, the child run part, the signal 'approval'$"
        ):
            await rerun(engine, await old.record(), mixed, from_task="colect")
        executed.clear()
        new = await rerun(engine, await old.record(), mixed, from_task="approval")
        await new.signal("approval", 2)
        assert await new.result() == "FIRST 2 LAST"
        assert executed == ["last"], "the child run and the first step are kept"
        executed.clear()
        again = await rerun(engine, await old.record(), mixed, from_task="part")
        await again.signal("approval", 3)
        assert await again.result() == "FIRST 3 LAST"
        assert executed == ["child", "last"]
