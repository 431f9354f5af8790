"""A run too large for one trace goes on in further ones: each whole, each linked to the one before."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from engine import Engine, NodeSettings, Retry, RunFailed, flow, sleep, task, wait_for
from engine.model import trace
from engine.model.run import RunState
from engine.rerun import rerun
from observability import names
from observability.telemetry import telemetry_from_environment
from tests.support.otlp import Receiver, Span, Trace, check_whole
from tests.support.polling import until_state

failures = 0


@task
async def inner(number: int) -> int:
    await asyncio.sleep(0)
    return number


@task
async def outer(number: int) -> int:
    logging.getLogger("app").warning("outer %d", number)
    return await inner(number) + sum([await inner(number + 100 * each) for each in (1, 2)])


@task(retry=Retry(attempts=2, delay=timedelta(0)))
async def flaky(number: int) -> int:
    global failures
    failures += 1
    if failures % 2:
        raise ValueError(number)
    return number


@flow
async def child(number: int) -> int:
    return await inner(number)


@flow
async def large(count: int) -> int:
    total = 0
    for number in range(count):
        total += await outer(number)
        total += await flaky(number)
        total += await child(number)
        await sleep(0)
    return total + sum(await asyncio.gather(*(outer(1000 + number) for number in range(count))))


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    global failures
    failures = 0
    monkeypatch.setattr(trace, "PART", 10)


@flow
async def pauses(count: int) -> int:
    total = sum([await outer(number) for number in range(count)])
    await wait_for("go on")
    return total + sum([await outer(number) for number in range(count, 2 * count)])


@task
async def once() -> None:
    global failures
    failures -= 1
    if failures >= 0:
        raise ValueError("not yet")


@flow
async def breaks(count: int) -> int:
    total = sum([await inner(number) for number in range(count)])
    await once()
    return total


async def run(receiver: Receiver, path: Path, count: int, **settings: Any) -> list[Trace]:
    telemetry = telemetry_from_environment(receiver.environment)
    async with Engine(f"sqlite:///{path}", flows=[large, child], telemetry=telemetry, **settings) as engine:
        await (await engine.start(large.bind(count), id="l")).result()
    return list(receiver.trees().values())


def follow(first: Span, traces: list[Trace]) -> list[str]:
    """The ids of the traces of a run, from link to link."""
    spans = {span.span: span for one in traces for span in one.spans.values()}
    at, found = first.trace, [first.trace]
    while True:
        onward = [
            (to, root)
            for one in spans.values()
            if one.trace == at and one.kind == names.PART
            for to, root, attributes in one.links
            if attributes[names.LINK_TYPE] == names.CONTINUED_IN
        ]
        if not onward:
            return found
        ((at, root),) = onward
        back = spans[root].links
        assert [(to, attributes[names.LINK_TYPE]) for to, _, attributes in back] == [(found[-1], names.CONTINUES)]
        found.append(at)


async def test_every_trace_is_whole_and_links_lead_through_all_of_them(tmp_path: Path) -> None:
    with Receiver() as receiver:
        traces = await run(receiver, tmp_path / "s.db", 6)
        roots = [check_whole(one) for one in traces]
        (first,) = [root for root in roots if root.kind == names.RUN]
        assert follow(first, traces) == sorted((one.id for one in traces), key=follow(first, traces).index)
        assert len(traces) > 5
        assert max(len(one.spans) for one in traces) < 60
        spans = [span for one in traces for span in one.spans.values()]
        tasks = [span.attributes[names.TASK_NAME] for span in spans if span.kind == names.TASK]
        assert {name: tasks.count(name) for name in set(tasks)} == {"outer": 12, "inner": 42, "flaky": 6}
        homes = {(span.trace, span.span) for span in spans}
        await receiver.until(lambda: len(receiver.logs) >= 12)
        assert {(log.trace, log.span) for log in receiver.logs if log.message.startswith("outer")} <= homes


async def test_what_a_task_runs_inside_is_in_its_own_trace(tmp_path: Path) -> None:
    with Receiver() as receiver:
        for one in await run(receiver, tmp_path / "s.db", 4):
            for span in one.spans.values():
                if span.attributes.get(names.TASK_NAME) == "outer":
                    assert [inside.name for inside in one.children(span)] == ["task inner"] * 3


async def test_the_next_owner_goes_on_in_the_part_where_the_last_one_was(tmp_path: Path) -> None:
    store, linger = f"sqlite:///{tmp_path / 's.db'}", NodeSettings(linger=timedelta(0))
    with Receiver() as receiver:
        telemetry = telemetry_from_environment(receiver.environment)
        async with Engine(store, flows=[pauses], telemetry=telemetry, settings=linger) as engine:
            handle = await engine.start(pauses.bind(8), id="p")
            await until_state(handle, RunState.WAITING)
        telemetry = telemetry_from_environment(receiver.environment)
        async with Engine(store, flows=[pauses], telemetry=telemetry) as engine:
            await engine.signal("p", "go on")
            await (await engine.get("p")).result()
        traces = list(receiver.trees().values())
        roots = [check_whole(one, repeats=True) for one in traces]
        (first,) = [root for root in roots if root.kind == names.RUN]
        assert len(follow(first, traces)) == len(traces) > 5


async def test_a_rerun_of_a_large_run_begins_in_the_part_of_its_first_own_step(tmp_path: Path) -> None:
    global failures
    failures = 1
    store = f"sqlite:///{tmp_path / 's.db'}"
    with Receiver() as receiver:
        telemetry = telemetry_from_environment(receiver.environment)
        async with Engine(store, flows=[breaks], telemetry=telemetry) as engine:
            handle = await engine.start(breaks.bind(25), id="b")
            with pytest.raises(RunFailed):
                await handle.result()
            again = await rerun(engine, await handle.record(), breaks, failed=True)
            assert await again.result() == 300
        traces = list(receiver.trees().values())
        roots = [check_whole(one) for one in traces]
        mine = [root for root in roots if root.attributes[names.RUN_ID] == again.id]
        assert [root.kind for root in mine].count(names.RUN) == 1
        assert {root.kind for root in mine} == {names.RUN, names.PART}
        spans = [span for one in traces for span in one.spans.values() if span.attributes[names.RUN_ID] == again.id]
        assert [span.name for span in spans if span.kind == names.TASK] == ["task once"]


@flow
async def pages(book: int, count: int) -> int:
    return sum([await inner(1000 * book + number) for number in range(count)])


@flow
async def shelf(books: int) -> int:
    return sum(await asyncio.gather(*(pages(book, 25) for book in range(books))))


async def test_large_children_of_one_run_go_on_in_traces_of_their_own(tmp_path: Path) -> None:
    with Receiver() as receiver:
        telemetry = telemetry_from_environment(receiver.environment)
        async with Engine(f"sqlite:///{tmp_path / 's.db'}", flows=[shelf, pages], telemetry=telemetry) as engine:
            await (await engine.start(shelf.bind(3), id="s")).result()
        traces = list(receiver.trees().values())
        roots = [check_whole(one) for one in traces]
        parts = [root.attributes[names.RUN_ID] for root in roots if root.kind == names.PART]
        assert len({*parts}) == 3
        assert min(parts.count(run) for run in parts) >= 2
        for one, root in zip(traces, roots, strict=True):
            if root.kind == names.PART:
                assert {span.attributes[names.RUN_ID] for span in one.spans.values()} == {root.attributes[names.RUN_ID]}
