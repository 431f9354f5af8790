"""Submitting a run: checked against the flow's code here, run by a node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from engine import loading
from engine.cli import console, opening, times
from engine.cli.views import run_json
from engine.cli.wanting import missing
from engine.flow import Call
from engine.model.errors import UsageError
from engine.model.limits import QUEUE
from engine.model.run import RunRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What the command line asks for."""

    target: str
    texts: Mapping[str, str]
    id: str | None
    delay: str | None
    at: str | None
    tags: Sequence[str]
    queue: str | None
    priority: int | None
    requires: Sequence[str]
    store: str | None
    json: bool


async def submit(asked: Submission) -> None:
    """Store the run. Raises UsageError, StoreError."""
    due = _due(asked)
    _check_target(asked.target)
    flow = loading.choose(asked.target).flow
    call = Call(flow, flow.parameters.encode(flow.parameters.bind_text(asked.texts)))
    async with opening.client(asked.store, create=True) as client:
        handle = await client.start(
            call,
            id=asked.id,
            tags=asked.tags,
            origin=loading.place(flow),
            due=due,
            queue=asked.queue,
            priority=asked.priority,
            requires=asked.requires,
        )
        record = await handle.record()
        lacking = missing(record, await client.store.nodes())
    if asked.json:
        console.put_json({**run_json(record), "created_now": handle.created, "skipped": handle.skipped})
    else:
        console.put(record.id)
    if handle.skipped:
        console.say(f"skipped: {record.flow} is a singleton, and this run of it is {record.state}")
    elif not handle.created:
        console.say(f"this run was there already, {record.state}")
    if lacking is not None:
        _advise_node(asked, record, loading.place(flow).rpartition(":")[0], lacking)


def _advise_node(asked: Submission, record: RunRecord, path: str, lacking: str) -> None:
    store = ["--store", asked.store] if asked.store else []
    queue = ["--queue", record.queue] if record.queue != QUEUE else []
    tags = [word for name in record.requires for word in ("--tag", name)]
    console.advise(f"It waits for {lacking}. This is one:", "serve", path, *queue, *tags, *store)


def _due(asked: Submission) -> datetime | None:
    if asked.delay is not None and asked.at is not None:
        raise UsageError("give either --in or --at, not both")
    if asked.delay is not None:
        return times.after(times.duration(asked.delay))
    return None if asked.at is None else times.moment(asked.at)


def _check_target(target: str) -> None:
    """A bare name is no file: say where it could come from."""
    path, _ = loading.split(target)
    if path.exists() or path.suffix == ".py" or len(path.parts) > 1:
        return
    found = [file for file in (*Path().glob("*.py"), *Path().glob("*/*.py")) if _declares(file, target)]
    hint = f"; did you mean {found[0]}:{target}?" if found else ""
    raise UsageError(
        f"{target!r} is no file, and a flow's parameters are checked against its code: write FILE:{target}, "
        f"or add --file FILE{hint}"
    )


def _declares(file: Path, name: str) -> bool:
    try:
        return file.is_file() and f"async def {name}(" in file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
