"""Edits of a flow under an unfinished run: what goes on, what stops and with which diff, under each policy."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeAlias

import pytest

from engine import flow, task, testing, wait_for
from engine.flow import Flow
from engine.model.errors import RunDiverged
from engine.model.run import RunState
from engine.rehearsal import rehearse
from engine.stores.blobs import MemoryBlobs
from engine.testing.disk import Disk, RememberingStore
from tests.support.polling import until_state

Body: TypeAlias = "Callable[[], Awaitable[list[str]]]"
Policy: TypeAlias = Literal["stop", "rerun", "reuse"]

done: list[str] = []


def performed(name: str, number: int) -> str:
    done.append(f"{name}{number}")
    return done[-1]


@task
async def fetch(number: int) -> str:
    return performed("fetch", number)


@task
async def left(number: int) -> str:
    return performed("left", number)


@task
async def right(number: int) -> str:
    return performed("right", number)


@task
async def load(number: int) -> str:
    return performed("load", number)


@task(name="load", key="the load")
async def load_by_key(number: int) -> str:
    return performed("load", number)


@task(name="load", version="2")
async def load_by_version(number: int) -> str:
    return performed("load", number)


@task
async def put(number: int) -> str:
    return performed("put", number)


@task
async def report(number: int) -> str:
    return performed("report", number)


@flow
async def loading(number: int) -> str:
    return await load(number)


async def sides() -> list[str]:
    return [*await asyncio.gather(left(1), right(2))]


async def as_it_was() -> list[str]:
    parts = [await fetch(1), *await sides()]
    parts += [await load(number) for number in (1, 2)]
    await wait_for("go")
    return [*parts, await report(9)]


async def a_step_at_the_end() -> list[str]:
    return [*await as_it_was(), await put(1)]


async def a_step_at_the_beginning() -> list[str]:
    return [await put(1), *await as_it_was()]


async def a_step_in_between() -> list[str]:
    parts = [await fetch(1), await put(1), *await sides()]
    parts += [await load(number) for number in (1, 2)]
    await wait_for("go")
    return [*parts, await report(9)]


async def a_step_after_what_is_recorded() -> list[str]:
    parts = [await fetch(1), *await sides()]
    parts += [await load(number) for number in (1, 2)]
    parts.append(await put(1))
    await wait_for("go")
    return [*parts, await report(9)]


async def without_a_step() -> list[str]:
    parts = await sides()
    parts += [await load(number) for number in (1, 2)]
    await wait_for("go")
    return [*parts, await report(9)]


async def steps_in_another_order() -> list[str]:
    parts = [await load(number) for number in (2, 1)]
    parts += [*await sides(), await fetch(1)]
    await wait_for("go")
    return [*parts, await report(9)]


async def branches_in_another_order() -> list[str]:
    parts = [await fetch(1), *await asyncio.gather(right(2), left(1))]
    parts += [await load(number) for number in (1, 2)]
    await wait_for("go")
    return [*parts, await report(9)]


async def another_argument() -> list[str]:
    parts = [await fetch(11), *await sides()]
    parts += [await load(number) for number in (1, 2)]
    await wait_for("go")
    return [*parts, await report(9)]


async def another_name() -> list[str]:
    parts = [await fetch(1), *await sides()]
    parts += [await put(number) for number in (1, 2)]
    await wait_for("go")
    return [*parts, await report(9)]


async def a_key() -> list[str]:
    parts = [await fetch(1), *await sides(), await load(1), await load_by_key(2)]
    await wait_for("go")
    return [*parts, await report(9)]


async def a_version_of_the_task() -> list[str]:
    parts = [await fetch(1), *await sides(), await load(1), await load_by_version(2)]
    await wait_for("go")
    return [*parts, await report(9)]


async def a_step_moved_into_a_child() -> list[str]:
    parts = [await fetch(1), *await sides(), await load(1), await loading(2)]
    await wait_for("go")
    return [*parts, await report(9)]


async def a_longer_loop() -> list[str]:
    parts = [await fetch(1), *await sides()]
    parts += [await load(number) for number in (1, 2, 3)]
    await wait_for("go")
    return [*parts, await report(9)]


async def a_shorter_loop() -> list[str]:
    parts = [await fetch(1), *await sides(), await load(1)]
    await wait_for("go")
    return [*parts, await report(9)]


async def another_loop() -> list[str]:
    parts = [await fetch(1), *await sides()]
    parts += [await load(number) for number in (1, 3)]
    await wait_for("go")
    return [*parts, await report(9)]


async def two_other_arguments() -> list[str]:
    parts = [await fetch(1), *await sides(), await load(3)]
    await wait_for("go")
    return [*parts, await report(9)]


async def calls_in_a_group() -> list[str]:
    parts = [await fetch(1), *await sides()]
    async with asyncio.TaskGroup() as group:
        loads = [group.create_task(load(number)) for number in (1, 2)]
    await wait_for("go")
    return [*parts, *[each.result() for each in loads], await report(9)]


async def a_branch_of_its_own() -> list[str]:
    async def branch() -> str:
        return await load(2)

    parts = [await fetch(1), *await sides(), await load(1)]
    async with asyncio.TaskGroup() as group:
        loaded = group.create_task(branch())
    await wait_for("go")
    return [*parts, loaded.result(), await report(9)]


async def another_signal() -> list[str]:
    parts = [await fetch(1), *await sides()]
    parts += [await load(number) for number in (1, 2)]
    await wait_for("stop")
    return [*parts, await report(9)]


async def an_early_end() -> list[str]:
    return [await fetch(1)]


WAS = ["fetch1", "left1", "right2", "load1", "load2", "report9"]


@dataclass(frozen=True)
class Edit:
    """A new body, what `upgrade-check` says of it, and what a run that goes on under it returns and performs.

    `stops` False: it goes on under every policy alike, since what it asks for is new work, not another version of
    what is recorded. True: at "stop" it diverges, and `rerun` and `reuse` have the result and what is performed under
    those policies; `reuse` None: it diverges under that as well, since more than one record could be meant.
    """

    body: Body
    verdict: str
    says: tuple[str, ...]
    rerun: tuple[list[str], list[str]]
    stops: bool = False
    reuse: tuple[list[str], list[str]] | None = None


FOUND = ("5 recorded results are found again",)
UNASKED = "has not asked for what was recorded: "

EDITS = [
    Edit(as_it_was, "same", FOUND, (WAS, ["report9"])),
    Edit(a_step_at_the_end, "same", FOUND, ([*WAS, "put1"], ["report9", "put1"])),
    Edit(a_step_after_what_is_recorded, "same", FOUND, ([*WAS[:5], "put1", "report9"], ["put1", "report9"])),
    Edit(a_step_at_the_beginning, "goes on", (UNASKED, "fetch(number=1)"), (["put1", *WAS], ["put1", "report9"])),
    Edit(
        a_step_in_between, "goes on", (UNASKED, "left(number=1)"), (["fetch1", "put1", *WAS[1:]], ["put1", "report9"])
    ),
    Edit(without_a_step, "goes on", (UNASKED, "fetch(number=1)"), (WAS[1:], ["report9"])),
    Edit(
        steps_in_another_order,
        "same",
        FOUND,
        (["load2", "load1", "left1", "right2", "fetch1", "report9"], ["report9"]),
    ),
    Edit(branches_in_another_order, "same", FOUND, (["fetch1", "right2", "left1", *WAS[3:]], ["report9"])),
    Edit(
        another_argument,
        "diverges",
        ("in scope /\n", "- recorded: fetch(number=1)   [journal line 0, ok]\n", "+ now asks: fetch(number=11)"),
        (["fetch11", *WAS[1:]], ["fetch11", "report9"]),
        stops=True,
        reuse=(WAS, ["report9"]),
    ),
    Edit(
        another_name,
        "goes on",
        (UNASKED, "load(number=1), load(number=2)"),
        ([*WAS[:3], "put1", "put2", "report9"], ["put1", "put2", "report9"]),
    ),
    Edit(
        a_key,
        "diverges",
        ("- recorded: load(number=2), known as load@", "+ now asks: load(number=2), known as load=the load#0"),
        (WAS, ["load2", "report9"]),
        stops=True,
        reuse=(WAS, ["report9"]),
    ),
    Edit(a_version_of_the_task, "goes on", (UNASKED, "load(number=2)"), (WAS, ["load2", "report9"])),
    Edit(a_step_moved_into_a_child, "goes on", (UNASKED, "load(number=2)"), (WAS, ["load2", "report9"])),
    Edit(a_longer_loop, "same", FOUND, ([*WAS[:5], "load3", "report9"], ["load3", "report9"])),
    Edit(a_shorter_loop, "goes on", (UNASKED, "load(number=2)"), ([*WAS[:4], "report9"], ["report9"])),
    Edit(
        another_loop,
        "diverges",
        ("- recorded: load(number=2)   [", "+ now asks: load(number=3)"),
        ([*WAS[:4], "load3", "report9"], ["load3", "report9"]),
        stops=True,
        reuse=(WAS, ["report9"]),
    ),
    Edit(
        two_other_arguments,
        "diverges",
        ("- recorded: load(number=1)   [", "- recorded: load(number=2)   [", "+ now asks: load(number=3)"),
        ([*WAS[:3], "load3", "report9"], ["load3", "report9"]),
        stops=True,
    ),
    Edit(calls_in_a_group, "same", FOUND, (WAS, ["report9"])),
    Edit(
        a_branch_of_its_own,
        "diverges",
        (
            "in scope /a_branch_of_its_own.<locals>.branch@#0\n",
            "- recorded: load(number=2) in scope /   [",
            "+ now asks: load(number=2)",
        ),
        (WAS, ["load2", "report9"]),
        stops=True,
        reuse=(WAS, ["report9"]),
    ),
    Edit(another_signal, "same", FOUND, (WAS, ["report9"])),
    Edit(an_early_end, "goes on", ("ends without asking for what was recorded: left",), (["fetch1"], [])),
]


def job(body: Body, policy: Policy, version: str = "1") -> Flow[[], list[str]]:
    made: Flow[[], list[str]] = flow(name="job", on_divergence=policy, version=version)(body)  # type: ignore[arg-type]
    return made


async def unfinished(how: str) -> Disk:
    """A store with a run that waits for its signal, out of memory, or whose process was killed just before."""
    store = RememberingStore()
    engine = testing.engine(flows=[job(as_it_was, "stop")], store=store, linger=timedelta(0))
    store.clock = engine.clock.now
    async with engine:
        run = await engine.start(engine.node.flows["job"].bind(), id="it")
        await until_state(run, RunState.WAITING)
        waits = store.disk()
    killed = [disk for disk in store.past if (it := disk.run("it")) is not None and it.state is RunState.RUNNING]
    return waits if how == "waits" else killed[-1]


@pytest.mark.parametrize("how", ["waits", "was killed"])
@pytest.mark.parametrize("policy", ["stop", "rerun", "reuse"])
@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.body.__name__)
async def test_an_edit_under_a_run_that(how: str, policy: Policy, edit: Edit) -> None:
    disk = await unfinished(how)
    done.clear()
    expected = edit.rerun if policy == "rerun" or not edit.stops else edit.reuse if policy == "reuse" else None
    engine = testing.engine(
        flows=[job(edit.body, policy), loading],
        store=RememberingStore(disk=disk),
        signals={"go": [None], "stop": [None]},
    )
    async with engine:
        run = await engine.get("it")
        if expected is not None:
            assert (await run.result(), done) == expected
            return
        with pytest.raises(RunDiverged, match="its code has changed since") as stopped:
            await run.result()
        assert done == [], "nothing is performed by a run that diverges"
        assert await run.state() is RunState.DIVERGED
        assert edit.reuse is None or all(part in stopped.value.diff for part in edit.says)


@pytest.mark.parametrize("how", ["waits", "was killed"])
@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.body.__name__)
async def test_the_rehearsal_of_an_edit_under_a_run_that(how: str, edit: Edit) -> None:
    disk = await unfinished(how)
    done.clear()
    record = disk.run("it")
    assert record is not None
    verdict = await rehearse(RememberingStore(disk=disk), record, job(edit.body, "stop"), blobs=MemoryBlobs())
    assert (verdict.outcome, verdict.outcome == "diverges") == (edit.verdict, edit.stops), verdict.detail
    assert all(part in verdict.detail for part in edit.says), verdict.detail
    assert done == []


async def and_waits_again() -> list[str]:
    parts = await as_it_was()
    await wait_for("again")
    return parts


async def test_a_run_that_goes_on_under_a_new_version_of_its_flow_belongs_to_it() -> None:
    disk = await unfinished("waits")
    flows = [job(and_waits_again, "stop", version="2")]
    engine = testing.engine(flows=flows, store=RememberingStore(disk=disk), signals={"go": [None]}, linger=timedelta(0))
    async with engine:
        run = await engine.get("it")
        assert (await run.record()).version == "1"
        await engine.settle()
        await until_state(run, RunState.WAITING)
        assert (await run.record()).version == "2"
        engine.signals("it", {"again": [None]})
        assert await run.result() == WAS
