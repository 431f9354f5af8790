"""Rerun: a new run of the same parameters that keeps what the old one may keep."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from engine.client import Client, RunHandle
from engine.core.scopes import is_inner
from engine.flow import Call, Flow
from engine.model import entry as kinds
from engine.model.entry import Entry
from engine.model.errors import RunConflict, UsageError
from engine.model.run import ENDED, RunRecord, RunState


async def rerun(
    client: Client,
    record: RunRecord,
    flow: Flow[..., Any],
    *,
    from_task: str | None = None,
    failed: bool = False,
    new_id: str | None = None,
) -> RunHandle[Any]:
    """Start a new run of an ended one's flow and parameters; the old one stays as it is.

    from_task  keeps every result recorded before the first call of this task, by name or step key
    failed     keeps every result, and performs again what failed, and whatever the flow then asks for anew
    neither    keeps nothing

    Raises UsageError for both at once, RunConflict when the run has not ended, UnknownTask when it has no such task.
    """
    if from_task is not None and failed:
        raise UsageError("rerun takes either --from TASK or --failed, not both")
    if record.state not in ENDED and record.state is not RunState.DIVERGED:
        raise RunConflict(f"run {record.id} is {record.state.value}; only a run that has ended can be rerun")
    journal = await client.store.read(record.num)
    kept = _kept(journal, record, from_task) if from_task is not None else _succeeded(journal) if failed else []
    call: Call[Any] = Call(flow, record.params)
    identity = new_id or await _next_id(client, record.id)
    return await client.start_from(call, record, kept, id=identity, now=client.now())


def _kept(journal: Sequence[Entry], record: RunRecord, from_task: str) -> list[str]:
    first = next(
        (line.seq for line in journal if from_task in (line.name, line.key) and line.kind != kinds.STARTED), None
    )
    if first is None:
        names = sorted({line.name for line in journal if line.kind == kinds.TASK})
        raise UsageError(f"run {record.id} has no task {from_task!r}; it has {', '.join(names) or 'none'}")
    group = next(line.group for line in journal if line.seq == first)
    return _settled(line for line in journal if line.group < group or (line.group == group and line.seq < first))


def _succeeded(journal: Sequence[Entry]) -> list[str]:
    return _settled(line for line in journal if line.outcome == kinds.OK)


def _settled(lines: Iterable[Entry]) -> list[str]:
    """Keys of the flow's own final lines. What happened inside a task, and cancellations, are not kept."""
    final = (kinds.TASK, kinds.SLEEP, kinds.SIGNAL, kinds.CHILD, kinds.NOW, kinds.DEADLINE)
    return [
        line.key for line in lines if line.kind in final and line.outcome != kinds.CANCELLED and not is_inner(line.key)
    ]


async def _next_id(client: Client, old: str) -> str:
    base, _, number = old.rpartition(".rerun-")
    base, count = (base, int(number)) if base and number.isdigit() else (old, 0)
    while True:
        count += 1
        candidate = f"{base}.rerun-{count}"
        if await client.store.find(candidate) is None:
            return candidate
