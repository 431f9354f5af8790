"""What the behaviour suite says often: a run, an entry, a batch, a node."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from engine.model.change import Batch, Change
from engine.model.entry import OK, TASK, Entry
from engine.model.run import LogLine, NewRun, NodeRecord, RunRecord
from engine.ports.store import Store

TRACE = "0af7651916cd43dd8448eb211c80319c"


def new_run(run_id: str = "run", **fields: Any) -> NewRun:
    """A run of flow `f`, created at time 100."""
    return NewRun(id=run_id, flow="f", params=b"{}", created=100, trace=TRACE, span=7)._replace(**fields)


def node(node_id: str = "node", **fields: Any) -> NodeRecord:
    """A node that serves flow `f`."""
    return replace(NodeRecord(id=node_id, pid=1, host="here", started=10, flows=("f",), alive=True), **fields)


def entry(run: RunRecord, seq: int, **fields: Any) -> Entry:
    """A task's result, written by the owner of this record."""
    plain = Entry(
        run.num, seq, seq, TASK, f"key-{seq}", "step", "args", 1, 200, 300, 1 << 62, 7, OK, b'{"n":1}', None, run.epoch
    )
    return plain._replace(**fields)


def log(run: RunRecord, message: str) -> LogLine:
    """A line that user code logged."""
    return LogLine(run.num, 250, "INFO", "app", message, "step", 1, 5)


async def claimed(store: Store, run_id: str = "run", *, owner: str = "node", **fields: Any) -> RunRecord:
    """A new run, taken by a node, which joins if it has not."""
    if owner not in {known.id for known in await store.nodes()}:
        await store.join(node(owner))
    run, _ = await store.create(new_run(run_id, **fields))
    (taken,) = await store.claim(owner, now=150, limit=1, flows=[run.flow], only=[run.num])
    return taken


async def claim_again(store: Store, run: RunRecord, *, owner: str = "node", now: int = 150) -> RunRecord:
    """The same run, taken once more."""
    (taken,) = await store.claim(owner, now=now, limit=1, flows=[run.flow], only=[run.num])
    return taken


async def write(store: Store, *lines: Entry | LogLine | Change, epochs: dict[int, int]) -> frozenset[int]:
    """Write one batch; answers the fenced runs, raises the error."""
    return await handed_over(store, batch_of(*lines, epochs=epochs))


async def write_as(store: Store, run: RunRecord, *lines: Entry | LogLine | Change) -> frozenset[int]:
    """Write one batch for one run, as the owner that this record tells of."""
    return await write(store, *lines, epochs={run.num: run.epoch})


def batch_of(*lines: Entry | LogLine | Change, epochs: dict[int, int]) -> Batch:
    """A batch of these lines, each where it belongs."""
    batch = Batch(epochs=epochs)
    for line in lines:
        match line:
            case Entry():
                batch.entries.append(line)
            case LogLine():
                batch.logs.append(line)
            case _:
                batch.changes.append(line)
    return batch


def handed_over(store: Store, batch: Batch) -> asyncio.Future[frozenset[int]]:
    """Hand a batch to the store; the future is what it tells."""
    told: asyncio.Future[frozenset[int]] = asyncio.get_running_loop().create_future()

    def written(fenced: frozenset[int], error: Exception | None) -> None:
        if error is None:
            told.set_result(fenced)
        else:
            told.set_exception(error)

    store.write(batch, written)
    return told


async def found(store: Store, run: RunRecord) -> RunRecord:
    """The run as it is now."""
    now = await store.find_num(run.num)
    assert now is not None
    return now
