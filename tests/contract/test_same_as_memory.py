"""Whatever is done in whatever order, every store answers what memory answers, and only legal moves are made."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.run_life import MOVES
from engine.model.change import Change, Ended, Exported, Parked, Released
from engine.model.entry import STARTED, TASK
from engine.model.errors import HeadraceError
from engine.model.limits import Pool, Takes
from engine.model.run import RunRecord, RunState
from engine.ports.store import Store
from engine.stores.memory import MemoryStore
from engine.stores.postgres import PostgresStore
from engine.stores.sqlite import SQLiteStore
from tests.contract.harness import entry, log, new_run, node, write
from tests.support import postgres

Act: TypeAlias = Callable[[Store], Coroutine[Any, Any, object]]

ids = st.sampled_from("abcd")
nums = st.integers(1, 4)
times = st.integers(1, 9)
flows = st.sampled_from([["f"], ["g"], ["f", "g"]])
lanes = st.none() | st.sampled_from(["x", "y"])
takes = st.builds(
    Takes,
    queues=st.none() | st.just(["q"]),
    tags=st.sampled_from([[], ["t"], None]),
    pools=st.sampled_from([{}, {"f": Pool("p", 1)}, {"f": Pool("p", 2), "g": Pool("p", 2)}]),
    elsewhere=st.sampled_from([[], [("f", "2")]]),
)
ENDINGS = [RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED, RunState.DIVERGED]
STEPS = {(before, after) for (before, _), after in MOVES.items()}


@st.composite
def changes(draw: st.DrawFn, num: int) -> Change:
    return draw(
        st.one_of(
            st.builds(Ended, st.just(num), st.sampled_from(ENDINGS), st.none(), st.none(), st.just(b"{}"), times),
            st.builds(
                Parked, st.just(num), st.none() | times, st.integers(0, 3), st.lists(nums, max_size=2).map(tuple)
            ),
            st.just(Released(num)),
            st.builds(Exported, st.just(num), times),
        )
    )


@st.composite
def acts(draw: st.DrawFn) -> tuple[str, Act]:
    """One thing to do, with its description."""
    run_id, num, now, wanted = draw(ids), draw(nums), draw(times), draw(flows)
    name = draw(st.sampled_from(["create", "claim", "claim", "write", "write", "write", "signal", "cancel", "other"]))
    match name:
        case "create":
            due, parent = draw(st.sampled_from([0, 5])), draw(st.none() | nums)
            where: dict[str, Any] = {
                "lane": draw(lanes),
                "occupied": draw(st.sampled_from(["queue", "skip", "replace"])),
            }
            sort: dict[str, Any] = {
                "queue": draw(st.sampled_from("qr")),
                "requires": draw(st.sampled_from([(), ("t",)])),
            }
            sort |= {"version": draw(st.sampled_from("12")), "rank": draw(times)}
            run = new_run(run_id, flow=wanted[0], due=due, parent=parent, tags=("t",) if due else (), **where, **sort)
            return f"create {run_id} {due} {parent} {where} {sort}", lambda store: store.create(run)
        case "claim":
            limit, duty, only = draw(st.integers(1, 4)), draw(takes), draw(st.none() | st.just([1, 3]))
            return f"claim {now} {wanted} {limit} {duty} {only}", lambda store: store.claim(
                "node", now=now, limit=limit, flows=wanted, only=only, takes=duty
            )
        case "write":
            change = draw(st.none() | changes(num))
            seq, kind, behind = draw(st.integers(0, 3)), draw(st.sampled_from([TASK, STARTED])), draw(st.integers(0, 9))
            return f"write {num} {seq} {kind} {change}", lambda store: _write(
                store, num, seq, kind, change, behind == 9
            )
        case "signal":
            return f"signal {run_id}", lambda store: store.signal(run_id, "go", b"1", now=now)
        case "cancel":
            return f"cancel {run_id}", lambda store: store.cancel(run_id, f"because {now}", now=now)
        case _:
            others: list[tuple[str, Act]] = [
                ("requeue", lambda store: store.requeue(run_id, now=now)),
                ("copy", lambda store: store.copy_journal(num, 5 - num, ["key-0", "key-2"], now=now)),
                ("prune", lambda store: store.prune(ended_before=now, limit=2)),
                ("acquire", lambda store: store.acquire("p", 2, node="node", run=num, key=run_id)),
                ("release", lambda store: store.release("p", run=num, key=run_id)),
                ("leave", _leave),
                ("die", _die),
            ]
            return draw(st.sampled_from(others))


async def _write(store: Store, num: int, seq: int, kind: str, change: Change | None, stale: bool) -> object:
    run = await store.find_num(num)
    if run is None:
        return None
    run = run._replace(epoch=run.epoch - stale)
    lines = [entry(run, seq, kind=kind), *([change, log(run, "x")] if change else [])]
    return await write(store, *lines, epochs={num: run.epoch})


class ByUrl(PostgresStore):
    """A store that knows where it is, so that time can be made to pass there."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.url = url


async def _leave(store: Store) -> object:
    await store.leave("node")
    await store.join(node())
    return None


async def _die(store: Store) -> object:
    """Closing without leaving gives up the lock, as a death does; a lease has to run out."""
    if isinstance(store, MemoryStore):
        store.lose("node")
    else:
        await store.close()
        await store.open()
    if isinstance(store, ByUrl):
        await postgres.let_expire(store.url, "node")
    rescued = await store.rescue(crash_limit=2, now=7)
    await store.join(node())
    return rescued


async def _outcome(act: Act, store: Store) -> object:
    try:
        return await act(store)
    except HeadraceError as error:
        return type(error)


async def _everything(store: Store) -> list[object]:
    runs = await store.list_runs(limit=100)
    return [
        runs,
        [(await store.read(run.num), await store.signals(run.num), await store.children(run.num)) for run in runs],
        [[line for _, line in await store.logs(run.num)] for run in runs],
        await store.signals_after(1, [1, 3]),
        await store.cancelled([1, 2, 3, 4]),
        await store.next_due(flows=["f", "g"]),
        await store.next_due(flows=["f"]),
        await store.next_due(flows=["f", "g"], takes=Takes(queues=["q"], pools={"f": Pool("p", 1)})),
        await store.unfinished(flow="f"),
        await store.list_runs(tag="t", states=[RunState.QUEUED, RunState.FAILED], before=4),
        await store.count_runs(),
        await store.holders(),
        await store.nodes(),
    ]


def _check_moves(before: dict[int, RunRecord], after: dict[int, RunRecord]) -> None:
    for num, run in after.items():
        old = before.get(num)
        if old is None or old.state == run.state:
            continue
        # A run that is parked and woken by one batch makes two moves.
        mids = {mid for start, mid in STEPS if start == old.state}
        assert run.state in mids or any((mid, run.state) in STEPS for mid in mids), (old.state, run.state)
        assert run.epoch >= old.epoch


async def _compare(script: list[tuple[str, Act]], other: Store) -> None:
    memory = MemoryStore()
    for store in (memory, other):
        await store.open()
        await store.join(node())
    try:
        before: dict[int, RunRecord] = {}
        for name, act in script:
            assert await _outcome(act, other) == await _outcome(act, memory), name
            assert await _everything(other) == await _everything(memory), name
            after = {run.num: run for run in await memory.list_runs(limit=100)}
            _check_moves(before, after)
            before = after
    finally:
        await other.close()


@settings(max_examples=120)
@given(st.lists(acts(), min_size=5, max_size=40))
def test_memory_and_sqlite_cannot_be_told_apart(script: list[tuple[str, Act]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_compare(script, SQLiteStore(Path(folder) / "state.db")))


@settings(max_examples=12)
@given(script=st.lists(acts(), min_size=5, max_size=40))
def test_memory_and_postgres_cannot_be_told_apart(postgres_url: str, script: list[tuple[str, Act]]) -> None:
    with postgres.schema_of_its_own(postgres_url) as url:
        asyncio.run(_compare(script, ByUrl(url)))
