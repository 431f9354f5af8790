"""The history: what repeated looks at a store tell about when each line got on disk, and who was a member when."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from tests.chaos.sight import ENDED, LINE, RUN, LineRow, RunRow, Sight, Window

PAUSE: Final = 0.1
"""Seconds between two looks."""

LATECOMERS: Final = 50
"""Runs that are looked at whatever became of them: some end between two looks, and numbers come out of order."""


class Seen(NamedTuple):
    """A line of a journal. It got on disk after `after` and by `by`, both monotonic nanoseconds."""

    line: LineRow
    after: int
    by: int


@dataclass
class History:
    """What was seen so far. Runs are known by number.

    unended  when the last look began that saw the run unfinished
    crowds   of unfinished runs of one lane that one look saw: when, and how many of them had their turn
    busiest  the most runs of a flow that one look saw in memory, and when
    """

    runs: dict[int, RunRow] = field(default_factory=dict[int, RunRow])
    lines: dict[tuple[int, int], Seen] = field(default_factory=dict[tuple[int, int], Seen])
    ended: dict[int, int] = field(default_factory=dict[int, int])
    members: dict[str, int] = field(default_factory=dict[str, int])
    changed: list[str] = field(default_factory=list[str])
    states: dict[int, list[tuple[int, str, int]]] = field(default_factory=dict[int, list[tuple[int, str, int]]])
    looked: dict[int, int] = field(default_factory=dict[int, int])
    newest: dict[int, int] = field(default_factory=dict[int, int])
    unfinished: set[int] = field(default_factory=set[int])
    unended: dict[int, int] = field(default_factory=dict[int, int])
    crowds: dict[tuple[str, tuple[int, ...]], tuple[int, int]] = field(
        default_factory=dict[tuple[str, tuple[int, ...]], tuple[int, int]]
    )
    busiest: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])

    def add(self, sight: Sight) -> None:
        """Take note of a look."""
        self._count(sight)
        for run in sight.runs:
            self.runs[run.num] = run
            states = self.states.setdefault(run.num, [])
            if not states or states[-1][1:] != (run.state, run.epoch):
                states.append((sight.ended, run.state, run.epoch))
            if run.state in ENDED:
                self.ended.setdefault(run.num, sight.ended)
                self.unfinished.discard(run.num)
            else:
                self.unfinished.add(run.num)
                if run.state != "diverged":
                    self.unended[run.num] = sight.began
        for line in sight.lines:
            name = (line.run, line.seq)
            known = self.lines.setdefault(name, Seen(line, self.looked.get(line.run, 0), sight.ended))
            if known.line != line:
                self.changed.append(f"line {line.seq} of run {line.run} was {known.line} and is {line}")
            self.newest[line.run] = max(self.newest.get(line.run, -1), line.seq)
        for run in sight.runs:
            self.looked[run.num] = sight.began
        for node in sight.nodes:
            self.members[node] = sight.began

    def _count(self, sight: Sight) -> None:
        lanes: defaultdict[str, list[RunRow]] = defaultdict(list)
        for run in sight.runs:
            if run.lane is not None and run.state not in ENDED and run.state != "diverged":
                lanes[run.lane].append(run)
        for lane, runs in lanes.items():
            turns, name = sum(not run.held for run in runs), (lane, tuple(sorted(run.num for run in runs)))
            if len(runs) > 1 and turns >= self.crowds.get(name, (0, 0))[1]:
                self.crowds[name] = sight.began, turns
        for flow, number in Counter(run.flow for run in sight.runs if run.state == "running").items():
            if number > self.busiest.get(flow, (0, 0))[0]:
                self.busiest[flow] = number, sight.began

    async def watch(self, window: Window, each: Callable[[], None]) -> None:
        """Look again and again until cancelled; `each` is called after every look."""
        while True:
            sight = await window.look(self.newest, [*self.unfinished], max(self.runs, default=0) - LATECOMERS)
            if sight is not None:
                self.add(sight)
            each()
            await asyncio.sleep(PAUSE)

    async def finish(self, window: Window, now: Callable[[], int]) -> None:
        """Read everything once more: what came after the last look, and what is gone."""
        began = now()
        lines = [LineRow(*row) for row in await window.rows(f"SELECT {LINE} FROM journal")]
        runs = [RunRow(*row) for row in await window.rows(f"SELECT {RUN} FROM run")]
        gone = self.lines.keys() - {(line.run, line.seq) for line in lines}
        self.changed += [f"line {seq} of run {run} is gone" for run, seq in sorted(gone)]
        self.add(Sight(began, now(), runs, lines, frozenset()))
