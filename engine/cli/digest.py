"""A journal, read for people: how each task fares, what is running, what is waited for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from engine.cli.times import iso, local
from engine.model import entry as kinds
from engine.model.entry import Entry


@dataclass(slots=True)
class Counts:
    """One task name: how many calls ended how, and how long the good ones took (nanoseconds)."""

    name: str
    done: int = 0
    failed: int = 0
    cancelled: int = 0
    retried: int = 0
    running: int = 0
    lengths: list[int] = field(default_factory=list[int])

    @property
    def middle(self) -> int | None:
        """The median length."""
        return sorted(self.lengths)[len(self.lengths) // 2] if self.lengths else None

    @property
    def longest(self) -> int | None:
        """The greatest length."""
        return max(self.lengths, default=None)


_WAITED_FOR: Final = {
    "signal": "the signal {name!r}",
    "sleep": "its sleep",
    "retry": "the next attempt of {name}",
    "child": "the child run {name}",
    "start": "its start",
    "rate": "a place in the rate of {name}",
    "lane": "its turn in the lane {name}",
    "node": "{name}",
    "pool": "a slot of the pool {name}",
    "room": "room on a node that takes it",
    "dead node": "a node to go on with it, as {name} has died",
    "lease": "others to take it over, as nothing is heard of its node {name}, whose lease lasts",
}


@dataclass(frozen=True, slots=True)
class Wait:
    """Something that only time or somebody else can end. `until` is in nanoseconds, None: no time ends it."""

    run: str
    kind: str
    name: str
    until: int | None

    def __str__(self) -> str:
        what = _WAITED_FOR[self.kind].format(name=self.name)
        return what if self.until is None else f"{what} until {local(self.until)}"

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {"run": self.run, "kind": self.kind, "name": self.name, "until": iso(self.until)}


def counts_of(entries: Iterable[Entry]) -> list[Counts]:
    """Each task name, in the order of first appearance."""
    entries = list(entries)
    counts: dict[str, Counts] = {}
    for entry in entries:
        if entry.kind not in (kinds.TASK, kinds.ATTEMPT, kinds.STARTED, kinds.CHILD):
            continue
        count = counts.setdefault(entry.name, Counts(entry.name))
        match entry.kind, entry.outcome:
            case kinds.ATTEMPT, _:
                count.retried += 1
            case ((kinds.TASK | kinds.CHILD), kinds.OK):
                count.done += 1
                count.lengths.append(entry.ended - entry.started)
            case ((kinds.TASK | kinds.CHILD), kinds.ERROR):
                count.failed += 1
            case ((kinds.TASK | kinds.CHILD), _):
                count.cancelled += 1
            case _:
                pass
    for entry in open_of(entries):
        if entry.kind == kinds.STARTED:
            counts[entry.name].running += 1
    return list(counts.values())


def open_of(entries: Sequence[Entry]) -> list[Entry]:
    """The last line of each step that has begun and not ended."""
    last = {entry.key: entry for entry in entries if entry.kind != kinds.MOVED}
    if entries and entries[-1].key != kinds.START_KEY:
        last.pop(kinds.START_KEY, None)  # it has begun
    return [entry for entry in last.values() if entry.kind in (kinds.STARTED, kinds.WAIT, kinds.ATTEMPT)]


def waits_of(run_id: str, entries: Sequence[Entry]) -> list[Wait]:
    """What a run's flow waits for, by its journal. Deadlines are no waits of their own."""
    return [wait for entry in open_of(entries) if (wait := _wait(run_id, entry)) is not None]


def _wait(run_id: str, entry: Entry) -> Wait | None:
    match entry.kind, entry.name:
        case kinds.WAIT, "sleep":
            return Wait(run_id, "sleep", "", int(json.loads(entry.value) or 0) or None)
        case kinds.WAIT, "wait_for":
            return Wait(run_id, "signal", signal_of(entry.args), int(json.loads(entry.value) or 0) or None)
        case kinds.WAIT, name if name != "timeout":
            return Wait(run_id, "rate", name, int(json.loads(entry.value)))
        case kinds.ATTEMPT, _:
            return Wait(run_id, "retry", entry.name, json.loads(entry.value).get("retry_at"))
        case _:
            return None


def signal_of(args: str) -> str:
    """The name in `signal="approval"`; the text itself when it was cut."""
    try:
        return str(json.loads(args.partition("=")[2]))
    except ValueError:
        return args
