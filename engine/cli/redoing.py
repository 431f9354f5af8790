"""What `rerun` and `upgrade-check` do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine import loading
from engine.cli import console, opening
from engine.cli.exits import Exit
from engine.cli.opening import go
from engine.cli.running import Order, perform
from engine.client import Client, RunHandle
from engine.flow import Flow
from engine.model.errors import UnknownFlow, UsageError
from engine.model.run import ENDED, RunRecord, RunState
from engine.wiring import Engine, by_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """What the command line asks for."""

    run_id: str
    from_task: str | None
    failed: bool
    new_id: str | None
    file: str | None
    store: str | None


def run_again(again: Again, *, wait: bool, progress: bool, json: bool) -> Exit:
    """Make a new run of an old one and stay with it, as `run` does. Raises UnknownRun, UsageError."""
    if again.from_task is not None and again.failed:
        raise UsageError("give either --from or --failed, not both")
    record = go(_find(again))
    flow = flow_of(record, again.file)
    where = loading.place(flow)

    async def begin(engine: Engine) -> RunHandle[Any]:
        from engine.rerun import rerun

        handle = await rerun(engine, record, flow, from_task=again.from_task, failed=again.failed, new_id=again.new_id)
        console.say(f"run {handle.id} of {record.flow} is a rerun of {record.id}")
        return handle

    return perform(
        Order(
            chosen=loading.Chosen(flow, loading.with_children([flow])),
            begin=begin,
            resume=["run", where, *parameters_of(record)],
            store=again.store,
            wait=wait,
            progress=progress,
            json=json,
        )
    )


async def _find(again: Again) -> RunRecord:
    async with opening.client(again.store) as client:
        record = await opening.find(client, again.run_id)
    if record.state not in ENDED and record.state is not RunState.DIVERGED:
        raise UsageError(
            f"run {record.id} of {record.flow} is {record.state}: only a run that has ended can be run again. "
            f"`headrace run` goes on with it, `headrace cancel` ends it"
        )
    return record


def flow_of(record: RunRecord, file: str | None) -> Flow[..., Any]:
    """The code of a run: from the file given, else from where it was started. Raises UsageError."""
    path = file or record.origin.rpartition(":")[0]
    if not path:
        raise UsageError(f"run {record.id} does not say where its flow is declared; add --file FILE")
    if file is None and not Path(path).exists():
        raise UsageError(f"run {record.id} was started from {path}, which is gone; say with --file where it is now")
    for flow in loading.load([Path(path)]):
        if flow.name == record.flow:
            return flow
    raise UnknownFlow(
        f"{path} has no flow {record.flow!r}, which run {record.id} is of; say with --file where it is now"
    )


def parameters_of(record: RunRecord) -> list[str]:
    """The parameters of a run as words for the command line."""
    import json

    values: dict[str, Any] = json.loads(record.params)
    return [f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in values.items()]


async def check_upgrade(paths: Sequence[str], store: str | None, *, as_json: bool) -> Exit:
    """Replay every unfinished run of the flows in `paths`, without effects. DIVERGED when one would diverge."""
    flows = by_name(loading.with_children(loading.load(Path(path) for path in paths)))
    outcomes: list[str] = []
    try:
        async with opening.client(store) as client:
            runs = [run for run in await client.store.unfinished() if run.started is not None]
            outcomes += [await _check(client, record, flows, as_json=as_json) for record in runs]
    except opening.NoStoreYet as error:
        console.say(str(error))
    told = ", ".join(f"{outcomes.count(name)} {text}" for name, text in _SUMMARY.items() if name in outcomes)
    console.say(told or "no unfinished runs")
    return Exit.DIVERGED if {"diverges", "error"} & set(outcomes) else Exit.OK


_SUMMARY = {
    "same": "would go on as recorded",
    "goes on": "would go on without all that is recorded",
    "diverges": "would diverge",
    "error": "could not be replayed",
    "not here": "of flows that are not in these files",
}


async def _check(client: Client, record: RunRecord, flows: dict[str, Flow[..., Any]], *, as_json: bool) -> str:
    flow = flows.get(record.flow)
    if flow is None:
        outcome, detail = "not here", "the flow is not in these files"
    else:
        from engine.rehearsal import rehearse

        verdict = await rehearse(client.store, record, flow, blobs=client.blobs)
        outcome, detail = verdict.outcome, verdict.detail
    if as_json:
        console.put_json(
            {"id": record.id, "flow": record.flow, "state": record.state.value, "outcome": outcome, "detail": detail}
        )
    else:
        colour = {"same": "green", "goes on": "yellow", "diverges": "red", "error": "red"}.get(outcome, "dim")
        console.put(f"{console.paint(f'{outcome:8}', colour)}  {record.id}")
        if outcome in ("goes on", "diverges", "error"):
            console.put("\n".join(f"          {line}" for line in detail.split("\n")))
    return outcome
