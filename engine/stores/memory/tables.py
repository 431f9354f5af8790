"""Tables: the dictionaries of the reference store, and the moves between the states of a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from engine.model.entry import Entry
from engine.model.errors import Fenced, UnknownRun
from engine.model.run import ENDED, LogLine, NodeRecord, RunRecord, RunState, Signal
from engine.stores.listeners import Listeners

ASLEEP = frozenset({RunState.QUEUED, RunState.WAITING})
UNDER_WAY = ASLEEP | {RunState.RUNNING}


@dataclass(slots=True)
class Row:
    """A run, and what only the store knows of it: `due` is None when no time will make it due.

    `pool` is the one of which the run holds a slot while it is running.
    """

    record: RunRecord
    due: int | None
    crash_seq: int = -1
    pool: str | None = None


class Tables:
    """The state of a MemoryStore; the parts of the store are written on top of it."""

    def __init__(self) -> None:
        self._rows: dict[int, Row] = {}
        self._nums: dict[str, int] = {}
        self._entries: dict[int, dict[int, Entry]] = {}
        self._signals: list[Signal] = []
        self._logs: list[tuple[int, LogLine]] = []
        self._nodes: dict[str, NodeRecord] = {}
        self._slots: dict[tuple[str, int, str], str] = {}
        self._rates: dict[str, int] = {}
        self._run_nums, self._signal_ids, self._log_ids = count(1), count(1), count(1)
        self._touched = False
        self._listeners = Listeners()

    def _touch(self) -> None:
        """Something was written that nodes may want to look at."""
        self._touched = True
        self._listeners.tell()

    def _records(self) -> Iterator[RunRecord]:
        return (row.record for row in self._rows.values())

    def _known(self, run_id: str) -> RunRecord:
        if run_id not in self._nums:
            raise UnknownRun(f"no run has the id {run_id!r} in this store: `headrace runs` lists those there are")
        return self._rows[self._nums[run_id]].record

    def _joined(self, node: str) -> None:
        if node not in self._nodes:
            raise Fenced(f"node {node} has not joined this store, or was declared dead: it must join first")

    def _update(self, num: int, **fields: Any) -> RunRecord:
        row = self._rows[num]
        row.record = row.record._replace(**fields)
        return row.record

    def _sleep(self, num: int, state: RunState, due: int | None, **fields: Any) -> RunRecord:
        self._rows[num].due = due
        return self._update(num, state=state, wake_at=due or None, owner=None, **fields)

    def _queue(self, num: int, **fields: Any) -> RunRecord:
        return self._sleep(num, RunState.QUEUED, 0, **fields)

    def _wake(self, num: int | None) -> None:
        row = self._rows.get(num or 0)
        if row is not None and row.record.state is RunState.WAITING:
            self._queue(row.record.num)

    def _end(self, num: int, state: RunState, at: int, **fields: Any) -> RunRecord:
        self._rows[num].due = None
        record = self._update(num, state=state, ended=at, owner=None, wake_at=None, **fields)
        if state in ENDED:
            self._wake(record.parent)
        waiting = self._in_lane(record.lane)
        if waiting and all(run.held for run in waiting):
            self._update(waiting[0].num, held=False)
        return record

    def _in_lane(self, lane: str | None) -> list[RunRecord]:
        """The unfinished runs of a lane, oldest first."""
        if lane is None:
            return []
        return [run for run in self._records() if run.lane == lane and run.state in UNDER_WAY]

    def _held_slots(self, pool: str) -> int:
        running = sum(row.pool == pool and row.record.state is RunState.RUNNING for row in self._rows.values())
        return running + sum(slot[0] == pool for slot in self._slots)
