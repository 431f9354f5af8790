"""What `cancel`, `signal` and `prune` do, and say that they have done."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, Final

from engine.cli import console, opening, times
from engine.cli.attend import unfinished_children
from engine.cli.digest import Wait, waits_of
from engine.cli.views import run_json
from engine.client import Client
from engine.model.errors import RunConflict, UsageError
from engine.model.run import ENDED, RunRecord, RunState
from engine.ports.store import Store

BATCH: Final = 500
"""Runs forgotten in one transaction: a node on the same store waits for it."""


async def cancel_run(run_id: str, reason: str, store: str | None, *, as_json: bool) -> None:
    """Ask for cancellation. Raises RunConflict when the run has ended otherwise."""
    async with opening.client(store) as client:
        before = await opening.find(client, run_id)
        if before.state in ENDED and before.state is not RunState.CANCELLED:
            raise RunConflict(f"run {run_id} of {before.flow} has {before.state} already: there is nothing to cancel")
        record = await client.cancel(run_id, reason)
        if as_json:
            console.put_json(run_json(record))
        if record.state is RunState.CANCELLED:
            console.say(f"run {run_id} of {record.flow} is cancelled")
        elif record.owner is not None:
            console.say(f"run {run_id} of {record.flow} was asked to stop; node {record.owner} tells its code now")
        else:
            console.say(f"run {run_id} of {record.flow} was asked to stop; a node takes it up to tell its code")
            await _advise_node(client, record, store)


async def _signals(store: Store, record: RunRecord) -> list[Wait]:
    """The signals that a run and its children wait for, or waited for when they were last at work."""
    family = [record, *await unfinished_children(store, record)]
    return [wait for run in family for wait in waits_of(run.id, await store.read(run.num)) if wait.kind == "signal"]


async def send_signal(run_id: str, name: str, payload: str, store: str | None, *, as_json: bool) -> None:
    """Store a signal. Raises UsageError for a payload that is not JSON."""
    value = _payload(payload)
    async with opening.client(store) as client:
        record = await opening.find(client, run_id)
        others = await _signals(client.store, record)
        await client.signal(run_id, name, value)
        record = await client.record(run_id)
        if as_json:
            console.put_json({"id": record.id, "state": record.state.value, "signal": name, "payload": value})
        console.say(f"signal {name!r} is stored for run {run_id} of {record.flow}")
        if others and not any((wait.run, wait.name) == (run_id, name) for wait in others):
            told = ", ".join(f"{wait.name!r}" + f" in child run {wait.run}" * (wait.run != run_id) for wait in others)
            console.say(f"nothing waits for it now; what is waited for is {told}")
        if record.owner is None:
            await _advise_node(client, record, store)


def _payload(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        quoted = json.dumps(text[:200], ensure_ascii=False)
        raise UsageError(
            f"the payload {text[:200]!r} is not JSON ({error}); a text needs double quotes: '{quoted}'"
        ) from None


async def _advise_node(client: Client, record: RunRecord, store: str | None) -> None:
    if any(node.alive and record.flow in node.flows for node in await client.store.nodes()):
        return
    path = record.origin.rpartition(":")[0] or "PATH"
    console.advise(
        f"No node serves {record.flow} now. This is one:", "serve", path, *(["--store", store] if store else [])
    )


async def prune_runs(older_than: str, store: str | None, *, as_json: bool) -> None:
    """Forget runs, a few at a time. Raises UsageError for a duration that means nothing."""
    age = times.duration(older_than)
    async with opening.client(store) as client:
        before = client.now() - int(age / timedelta(microseconds=1)) * 1000
        total = 0
        while True:
            count, blobs = await client.store.prune(ended_before=before, limit=BATCH)
            for name in blobs:
                await client.blobs.delete(name)
            total += count
            if count < BATCH:
                break
    if as_json:
        console.put_json({"pruned": total})
    console.say(f"{total:,} runs forgotten that had ended more than {times.rough(int(age.total_seconds() * 1e9))} ago")
