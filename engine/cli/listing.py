"""Runs and log lines, read from the store and printed."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine.cli import console, opening, times
from engine.cli.reasons import View, look
from engine.cli.views import kind_of, run_json
from engine.cli.wanting import missing
from engine.client import Client, failure_of, is_over
from engine.model.errors import UsageError
from engine.model.run import LogLine, RunRecord, RunState

LOOK: Final = 0.1
"""Seconds between two looks while following."""

LOST: Final = ("dead node", "lease")
"""Waits of a run whose attempts may have been under way, and are not any more."""

_COLOURS: Final = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red", "DEBUG": "dim"}


@dataclass(frozen=True, slots=True)
class Filter:
    """Which runs are asked for."""

    states: Sequence[str]
    flow: str | None
    tag: str | None
    limit: int
    before: str | None

    def known_states(self) -> list[RunState]:
        """The states as values. Raises UsageError."""
        names = [name for text in self.states for name in text.lower().split(",")]
        try:
            return [RunState(name) for name in names]
        except ValueError:
            wrong = next(name for name in names if name not in set(RunState))
            raise UsageError(f"{wrong!r} is no state of a run; there are {', '.join(RunState)}") from None


async def list_runs(which: Filter, store: str | None, as_json: bool) -> None:
    """Print runs, newest first."""
    states = which.known_states()
    try:
        async with opening.client(store) as client:
            before = None if which.before is None else (await opening.find(client, which.before)).num
            records = await client.store.list_runs(
                states=states, flow=which.flow, tag=which.tag, limit=which.limit, before=before
            )
            view = await look(client.store, records)
    except opening.NoStoreYet as error:
        console.say(str(error))
        return
    if as_json:
        for record in records:
            waits = [wait.as_json() for wait in view.waits(record)]
            console.put_json({**run_json(record), "wanting": missing(record, view.nodes), "waits_for": waits})
    elif records:
        _print_table(records, view, more=len(records) == which.limit)
    else:
        console.say("no runs" if not (states or which.flow or which.tag or before) else "no such runs")


def _print_table(records: Sequence[RunRecord], view: View, *, more: bool) -> None:
    rows = [(r.id, r.flow, r.state.value, _when(r), _took(r), _note(r, view)) for r in records]
    for line in console.table(("ID", "FLOW", "STATE", "STARTED", "TOOK", ""), rows, console.STATE_COLOURS):
        console.put(line)
    if more and console.is_terminal(sys.stdout):
        console.advise("There may be older ones:", "runs", "--before", records[-1].id)


def _when(record: RunRecord) -> str:
    return times.ago(record.started) if record.started else "-"


def _took(record: RunRecord) -> str:
    if record.started is None or record.ended is None:
        return "-"
    return times.brief(record.ended - record.started)


def _note(record: RunRecord, view: View) -> str:
    width = max(20, shutil.get_terminal_size((160, 24)).columns - 90) if console.is_terminal(sys.stdout) else 200
    match record.state:
        case RunState.FAILED | RunState.DIVERGED:
            return console.shorten(f"{kind_of(record)}: {failure_of(record)['message']}", width)
        case RunState.WAITING | RunState.QUEUED if record.cancel is not None:
            return "to be cancelled"
        case RunState.CANCELLED:
            return console.shorten(record.cancel or failure_of(record)["message"], width)
        case _:
            return console.shorten(_waits(record, view), width)


def _waits(record: RunRecord, view: View) -> str:
    waits = view.waits(record)
    if not waits or (view.works(record) and waits[0].kind not in LOST):
        return ""
    first = waits[0]
    text = f"until {times.local(first.until)}" if first.kind == "start" and first.until else f"for {first}"
    return text if len(waits) == 1 else f"{text}, and {len(waits) - 1:,} more"


async def print_logs(run_id: str, store: str | None, *, follow: bool, as_json: bool) -> None:
    """Print the lines of a run and its children in order of time; following, as they come."""
    async with opening.client(store) as client:
        record = await opening.find(client, run_id)
        marks: dict[int, int] = {}
        while True:
            over = is_over(record)
            for run, line in await _new_lines(client, record, marks):
                _print_line(run, line, as_json, of_child=run.num != record.num)
            sys.stdout.flush()
            if over or not follow:
                return
            await asyncio.sleep(LOOK)
            record = await client.record(run_id)


async def _new_lines(client: Client, record: RunRecord, marks: dict[int, int]) -> list[tuple[RunRecord, LogLine]]:
    found: list[tuple[RunRecord, LogLine]] = []
    todo = [record]
    while todo:
        run = todo.pop()
        while batch := await client.store.logs(run.num, after=marks.get(run.num, 0)):
            marks[run.num] = batch[-1][0]
            found += [(run, line) for _, line in batch]
        todo += await client.store.children(run.num)
    return sorted(found, key=lambda item: item[1].at)


def _print_line(run: RunRecord, line: LogLine, as_json: bool, *, of_child: bool) -> None:
    if as_json:
        console.put_json(_line_json(run, line))
        return
    who = " ".join(
        part
        for part in (run.id if of_child else "", line.task + (f"#{line.attempt}" if line.attempt > 1 else ""))
        if part
    )
    colour = _COLOURS.get(line.level)
    level = console.paint(f"{line.level:7}", colour) if colour else f"{line.level:7}"
    console.put(f"{times.local(line.at)} {level} {f'[{who}] ' if who else ''}{line.message}")


def _line_json(run: RunRecord, line: LogLine) -> dict[str, Any]:
    return {
        "time": times.iso(line.at),
        "run_id": run.id,
        "level": line.level,
        "logger": line.logger,
        "task": line.task or None,
        "attempt": line.attempt,
        "message": line.message,
        "trace_id": run.trace,
        "span_id": f"{line.span or run.span:016x}",
    }
