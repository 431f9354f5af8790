"""One run for a person or a script: the page that `headrace show` prints."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any, Final

from engine.cli import console, opening, times
from engine.cli.digest import Counts, counts_of
from engine.cli.failing import stack_of
from engine.cli.reasons import waits
from engine.cli.views import full_json, kind_of, result_of
from engine.client import Client, failure_of
from engine.model.entry import Entry
from engine.model.limits import NORMAL, QUEUE
from engine.model.run import ENDED, RunRecord, RunState

LONG: Final = 2_000
"""Characters of a result that a page shows; `--json` has all of it."""


async def show_run(run_id: str, store: str | None, *, trace: bool, journal: bool, as_json: bool) -> None:
    """Print a run. Raises UnknownRun."""
    async with opening.client(store) as client:
        record = await opening.find(client, run_id)
        entries = await client.store.read(record.num)
        if as_json:
            console.put_json(await _document(client, record, entries, trace=trace, journal=journal))
            return
        if trace or journal:
            for line in [*(_trace(record, entries) if trace else ()), *(_journal(entries) if journal else ())]:
                console.put(line)
            return
        await _page(client, record, entries)


async def _page(client: Client, record: RunRecord, entries: Sequence[Entry]) -> None:
    colour = console.STATE_COLOURS[record.state]
    console.put(f"{console.paint(record.id, 'bold')}  {record.flow}  {console.paint(record.state.value, colour)}")
    for name, value in await _facts(client, record):
        console.put(f"  {name:12}{value}")
    counts = counts_of(entries)
    if counts:
        console.put()
        for line in console.table(
            ("TASK", "DONE", "FAILED", "TRIED AGAIN", "RUNNING", "P50", "MAX"), map(_row, counts)
        ):
            console.put(line)
    match record.state:
        case RunState.SUCCEEDED:
            text = await result_of(client, record) or "null"
            console.put(f"\nresult\n{_indented(console.pretty(text) if len(text) <= LONG else f'{text[:LONG]}…')}")
        case RunState.FAILED | RunState.DIVERGED:
            stack = await stack_of(client, record) if record.state is RunState.FAILED else ""
            told = stack or f"{kind_of(record)}: {failure_of(record)['message']}"
            console.put(f"\n{console.paint('error', 'red')}\n{_indented(told)}")
        case _:
            pass
    if console.is_terminal(sys.stdout):
        _what_next(record)


async def _facts(client: Client, record: RunRecord) -> list[tuple[str, str]]:
    facts = [("parameters", console.shorten(record.params.decode(), 200))]
    facts += [("tags", ", ".join(record.tags))] if record.tags else []
    facts += [("queue", record.queue)] if record.queue != QUEUE else []
    facts += [("requires", ", ".join(record.requires))] if record.requires else []
    facts += [("priority", str(record.priority))] if record.priority != NORMAL else []
    facts += [("lane", record.lane)] if record.lane is not None else []
    facts += [("submitted", f"{times.local(record.created)} ({times.ago(record.created)})")]
    if record.started is not None:
        facts.append(("started", times.local(record.started)))
    if record.ended is not None:
        took = f", after {times.brief(record.ended - record.started)}" if record.started is not None else ""
        facts.append(("ended", f"{times.local(record.ended)}{took}"))
    if record.owner is not None:
        facts.append(("node", record.owner))
    if record.crashes:
        since = "before it ended" if record.state in ENDED else "since its last progress"
        facts.append(("crashes", f"{record.crashes} {since}"))
    if record.cancel is not None:
        facts.append(("cancel", f"asked for: {record.cancel}"))
    if record.rerun_of is not None:
        facts.append(("rerun of", record.rerun_of))
    if record.parent is not None and (parent := await client.store.find_num(record.parent)) is not None:
        facts.append(("parent", parent.id))
    facts += [("child", f"{child.id}  {child.state}") for child in await client.store.children(record.num)]
    facts.append(("version", f"{record.version}, Python {record.python}, code {record.fingerprint}"))
    facts.append(("trace", record.trace))
    facts += [("waits for", str(wait)) for wait in await waits(client.store, record)]
    return facts


def _row(count: Counts) -> tuple[str, ...]:
    middle, longest = count.middle, count.longest
    return (
        count.name,
        f"{count.done:,}",
        f"{count.failed:,}" if count.failed else "-",
        f"{count.retried:,}" if count.retried else "-",
        f"{count.running:,}" if count.running else "-",
        "-" if middle is None else times.brief(middle),
        "-" if longest is None else times.brief(longest),
    )


def _what_next(record: RunRecord) -> None:
    match record.state:
        case RunState.FAILED:
            console.advise("\nKeep what succeeded and run the rest again:", "rerun", record.id, "--failed")
        case RunState.SUCCEEDED:
            console.advise("\nIts trace:", "show", record.id, "--trace")
        case _:
            console.advise("\nWhat it logs:", "logs", record.id, "--follow")


def _trace(record: RunRecord, entries: Sequence[Entry]) -> list[str]:
    from observability.tree import trace_lines

    return trace_lines(record, entries)


def _journal(entries: Sequence[Entry]) -> list[str]:
    rows = [
        (
            str(entry.seq),
            str(entry.group),
            times.local(entry.ended),
            entry.kind,
            f"{entry.name}({console.shorten(entry.args, 40)})",
            str(entry.attempt),
            entry.outcome,
            times.brief(entry.ended - entry.started) if entry.ended > entry.started else "-",
        )
        for entry in entries
    ]
    return console.table(("LINE", "GROUP", "TIME", "KIND", "STEP", "TRY", "OUTCOME", "TOOK"), rows)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.split("\n"))


async def _document(
    client: Client, record: RunRecord, entries: Sequence[Entry], *, trace: bool, journal: bool
) -> dict[str, Any]:
    document = {
        **await full_json(client, record),
        "children": [child.id for child in await client.store.children(record.num)],
        "waits_for": [wait.as_json() for wait in await waits(client.store, record)],
        "tasks": [_count_json(count) for count in counts_of(entries)],
    }
    if trace:
        document["trace"] = _trace(record, entries)
    if journal:
        document["journal"] = [_entry_json(entry) for entry in entries]
    return document


def _count_json(count: Counts) -> dict[str, Any]:
    seconds = [None if value is None else value / 1e9 for value in (count.middle, count.longest)]
    return {
        "name": count.name,
        "done": count.done,
        "failed": count.failed,
        "cancelled": count.cancelled,
        "retried": count.retried,
        "running": count.running,
        "p50_seconds": seconds[0],
        "max_seconds": seconds[1],
    }


def _entry_json(entry: Entry) -> dict[str, Any]:
    return {
        "seq": entry.seq,
        "group": entry.group,
        "kind": entry.kind,
        "key": entry.key,
        "name": entry.name,
        "args": entry.args,
        "attempt": entry.attempt,
        "started": times.iso(entry.started),
        "ended": times.iso(entry.ended),
        "outcome": entry.outcome,
        "value": json.loads(entry.value),
        "blob": entry.blob,
        "span_id": f"{entry.span:016x}",
    }
