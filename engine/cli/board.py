"""What is known of the runs that a person watches. The engine feeds it, progress reads it."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from engine.cli.digest import Wait, signal_of
from engine.cli.times import brief, rough
from engine.model import entry as kinds
from engine.model.entry import Entry

BAR: Final = 24
NAMES: Final = 8
"""Task names that are shown, those that moved last."""

SLOW: Final = 2_000_000_000
"""Nanoseconds from which a running task is shown by itself."""

SLOWEST: Final = 3
TROUBLES: Final = 20
"""Failed attempts that are told one by one."""


@dataclass(slots=True)
class Name:
    """One task name."""

    done: int = 0
    failed: int = 0
    retried: int = 0
    running: int = 0
    moved: int = 0
    bar: tuple[float, float | None] | None = None


class Board:
    """All runs of this process together. `heard` and `reported` are called where things happen: they only note."""

    def __init__(self) -> None:
        self.names: dict[str, Name] = {}
        self.running: dict[tuple[int, str], Entry] = {}
        self.waits: dict[tuple[int, str], Wait] = {}
        self._heard: deque[Sequence[Entry]] = deque()
        self._reports: dict[tuple[int, str], tuple[float, float | None, str]] = {}
        self._known: dict[int, int] = {}  # by run, the number of the last line taken in; lines come in order
        self._troubles = 0

    def heard(self, entries: Sequence[Entry]) -> None:
        """These lines are on disk."""
        self._heard.append(entries)

    def reported(self, run: int, key: str, done: float, total: float | None, message: str) -> None:
        """A map, or a task, says how far it is. From any thread."""
        self._reports[run, key] = (done, total, message)

    def remember(self, entries: Iterable[Entry]) -> int:
        """Count what was recorded of one run before this process; answers how many results that is."""
        results = 0
        for entry in entries:
            self._known[entry.run] = entry.seq
            if entry.kind in (kinds.TASK, kinds.CHILD) and entry.outcome == kinds.OK:
                self._name(entry.name).done += 1
                results += 1
        return results

    def catch_up(self) -> list[str]:
        """Take in what was heard. Answers what deserves a line of its own: failed attempts, the first few."""
        told: list[str] = []
        while self._heard:
            told += [line for entry in self._heard.popleft() if (line := self._take(entry)) is not None]
        for (_, key), (done, total, _message) in list(self._reports.items()):
            if key.startswith("map "):
                self._name(key.removeprefix("map ")).bar = (done, total)
        return told

    def _name(self, name: str) -> Name:
        return self.names.setdefault(name, Name())

    def _take(self, entry: Entry) -> str | None:
        if entry.seq <= self._known.get(entry.run, -1):
            return None  # a run that is taken up again is reported once more
        self._known[entry.run] = entry.seq
        at = (entry.run, entry.key)
        if (before := self.running.pop(at, None)) is not None:
            self._name(before.name).running -= 1
        self.waits.pop(at, None)
        match entry.kind:
            case kinds.STARTED:
                self.running[at] = entry
                name = self._name(entry.name)
                name.running += 1
                name.moved = entry.started
            case kinds.TASK | kinds.CHILD:
                name = self._name(entry.name)
                name.moved = entry.ended
                name.done += entry.outcome == kinds.OK
                name.failed += entry.outcome == kinds.ERROR
                self._reports.pop(at, None)
                if entry.outcome == kinds.ERROR:
                    return self._trouble(entry, json.loads(entry.value), "")
            case kinds.ATTEMPT:
                name = self._name(entry.name)
                name.retried += 1
                failure = json.loads(entry.value)
                pause = brief(max(0, int(failure.get("retry_at", 0)) - entry.ended))
                return self._trouble(entry, failure, f"; tried again in {pause}")
            case kinds.WAIT if entry.name in ("sleep", "wait_for"):
                until = int(json.loads(entry.value) or 0) or None
                signal = entry.name == "wait_for"
                self.waits[at] = Wait(
                    "", "signal" if signal else "sleep", signal_of(entry.args) if signal else "", until
                )
            case _:
                pass
        return None

    def _trouble(self, entry: Entry, failure: dict[str, object], then: str) -> str | None:
        self._troubles += 1
        if self._troubles > TROUBLES:
            return None
        if self._troubles == TROUBLES:
            return "further failures are only counted"
        kind = str(failure.get("type", "")).rpartition(":")[2]
        what = f"{kind}: {failure.get('message', '')}".split("\n", 1)[0][:160]
        attempt = f", attempt {entry.attempt}" if entry.attempt > 1 or then else ""
        return f"{entry.name}({entry.args[:60]}){attempt} failed: {what}{then}"

    # What is shown ---------------------------------------------------------------------------------------------

    def summary(self) -> str:
        """One line: `digest 14 · publish 1 · 2 running`."""
        parts = [f"{name} {_counts(of)}" for name, of in self._latest()]
        running = sum(of.running for of in self.names.values())
        parts += [f"{running} running"] if running else []
        parts += [f"waits for {wait}" for wait in list(self.waits.values())[:1]]
        return " · ".join(parts)

    def totals(self) -> str:
        """For the end: `36 tasks, 2 attempts failed`."""
        done = sum(of.done + of.failed for of in self.names.values())
        retried = sum(of.retried for of in self.names.values())
        text = f"{done:,} task{'' if done == 1 else 's'}"
        return f"{text}, {retried} failed attempt{'' if retried == 1 else 's'}" if retried else text

    def lines(self) -> list[str]:
        """The block of a terminal, without its first line."""
        lines: list[str] = []
        shown = self._latest()
        width = max((len(name) for name, _ in shown), default=0)
        for name, of in shown:
            bar = f"{_bar(*of.bar)}  " if of.bar is not None else ""
            notes = [_counts(of)] if of.bar is None or of.bar[0] != of.done or of.failed or of.retried else []
            notes += [f"{of.running} running"] if of.running else []
            lines.append(f"  {name:{width}}  {bar}{' · '.join(notes)}".rstrip())
        now = time.time_ns()
        slow = sorted((e for e in self.running.values() if now - e.started > SLOW), key=lambda e: e.started)
        lines += [
            f"    {entry.name}({entry.args[:40]})  {rough(now - entry.started)}{self._report_of(entry)}"
            for entry in slow[:SLOWEST]
        ]
        lines += [f"  waits for {wait}" for wait in list(self.waits.values())[:SLOWEST]]
        return lines

    def _latest(self) -> list[tuple[str, Name]]:
        if len(self.names) <= NAMES:
            return list(self.names.items())
        latest = sorted(self.names.items(), key=lambda item: item[1].moved)[-NAMES:]
        return [(name, of) for name, of in self.names.items() if (name, of) in latest]

    def _report_of(self, entry: Entry) -> str:
        report = self._reports.get((entry.run, entry.key))
        if report is None:
            return ""
        done, total, message = report
        return f"  {_bar(done, total)}  {message}".rstrip()


def _counts(of: Name) -> str:
    notes = [f"{of.done:,} done"] if of.done or not (of.failed or of.retried) else []
    notes += [f"{of.failed:,} failed"] if of.failed else []
    notes += [f"{of.retried:,} tried again"] if of.retried else []
    return ", ".join(notes)


def _bar(done: float, total: float | None) -> str:
    if not total:
        return f"{done:,g}"
    filled = min(BAR, int(BAR * done / total))
    return f"{'█' * filled}{'░' * (BAR - filled)} {done:,g}/{total:,g}"
