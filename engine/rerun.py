"""Rerun: a new run of the same parameters that keeps what the old one may keep."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from engine.client import Client, RunHandle
from engine.core.scopes import is_inner
from engine.flow import Call, Flow
from engine.model import entry as kinds
from engine.model.entry import Entry
from engine.model.errors import RunConflict, UsageError
from engine.model.run import ENDED, RunRecord, RunState

_SIGNAL: Final = "signal="
"""How the arguments of a wait for a signal begin, before its name in JSON."""


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

    from_task  keeps every result recorded before the first call of this task, by name or step key; the name of a
               child run's flow and of a signal that was waited for do as well
    failed     keeps every result, and performs again what failed, and whatever the flow then asks for anew
    neither    keeps nothing

    Raises UsageError for both at once, RunConflict when the run has not ended, UsageError when it has no such step.
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
    first = next((line.seq for line in journal if from_task in _names(line) and line.kind != kinds.STARTED), None)
    if first is None:
        raise UsageError(f"run {record.id} has no task {from_task!r}; it has {_offer(journal) or 'none'}")
    group = next(line.group for line in journal if line.seq == first)
    return _settled(line for line in journal if line.group < group or (line.group == group and line.seq < first))


def _names(line: Entry) -> tuple[str, ...]:
    """What a step can be called by."""
    if line.kind in (kinds.WAIT, kinds.SIGNAL) and line.args.startswith(_SIGNAL):
        return line.name, line.key, _signal(line)
    return line.name, line.key


def _signal(line: Entry) -> str:
    try:
        return str(json.loads(line.args.removeprefix(_SIGNAL)))
    except ValueError:  # it was cut
        return line.args


def _offer(journal: Sequence[Entry]) -> str:
    """Names that a rerun can begin from, for a message: `fetch, report, the child run part, the signal 'approval'`."""
    names = {line.name: line.name for line in journal if line.kind == kinds.TASK}
    children = {line.name: f"the child run {line.name}" for line in journal if line.kind == kinds.CHILD}
    waits = [line for line in journal if line.kind in (kinds.WAIT, kinds.SIGNAL) and line.args.startswith(_SIGNAL)]
    signals = {_signal(line): f"the signal {_signal(line)!r}" for line in waits}
    return ", ".join(each[name] for each in (names, children, signals) for name in sorted(each))


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
