"""A store that remembers every state it was ever in: what a crash at that moment would have left on the disk."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from engine.model.change import Batch
from engine.model.entry import Entry
from engine.model.run import NewRun, NodeRecord, RunRecord, Signal
from engine.ports.journal import Written
from engine.stores.memory import MemoryStore
from engine.stores.memory.tables import Row


@dataclass(frozen=True)
class Disk:
    """All runs, journals and signals at one moment. `at` is the time, `note` whatever the store was told to note."""

    rows: dict[int, Row]
    journals: dict[int, dict[int, Entry]]
    signals: tuple[Signal, ...]
    nodes: dict[str, NodeRecord]
    at: int
    note: Any = None

    def run(self, run_id: str) -> RunRecord | None:
        """A run by its id."""
        return next((row.record for row in self.rows.values() if row.record.id == run_id), None)

    def journal(self, num: int) -> Sequence[Entry]:
        """The lines of a run, in order."""
        return [self.journals[num][seq] for seq in sorted(self.journals.get(num, ()))]

    def lines(self) -> list[Entry]:
        """The lines of all runs."""
        return [line for num in sorted(self.journals) for line in self.journal(num)]


class RememberingStore(MemoryStore):
    """A memory store whose past is kept, one `Disk` for each durable write.

    `clock` says when a write was, `note` what else is to be remembered of that moment.
    """

    def __init__(self, *, disk: Disk | None = None) -> None:
        super().__init__()
        self.clock: Callable[[], int] = time.time_ns
        self.note: Callable[[], Any] = lambda: None
        self.past: list[Disk] = []
        if disk is not None:
            self._load(disk)

    def _load(self, disk: Disk) -> None:
        """Begin as the machine does after a crash: everything is there, and the nodes are dead."""
        self._rows = _copied(disk.rows)
        self._nums = {row.record.id: num for num, row in self._rows.items()}
        self._entries = {num: dict(lines) for num, lines in disk.journals.items()}
        self._signals = list(disk.signals)
        self._nodes = {name: replace(node, alive=False) for name, node in disk.nodes.items()}
        self._run_nums = count(max(self._rows, default=0) + 1)
        self._signal_ids = count(max((signal.id for signal in self._signals), default=0) + 1)

    def disk(self) -> Disk:
        """What is on disk now."""
        return Disk(
            rows=_copied(self._rows),
            journals={num: dict(lines) for num, lines in self._entries.items()},
            signals=tuple(self._signals),
            nodes=dict(self._nodes),
            at=self.clock(),
            note=self.note(),
        )

    async def create(self, run: NewRun) -> tuple[RunRecord, bool]:
        record, created = await super().create(run)
        if created:
            self.past.append(self.disk())
        return record, created

    async def signal(self, run_id: str, name: str, payload: bytes, *, now: int) -> RunRecord:
        answer = await super().signal(run_id, name, payload, now=now)
        self.past.append(self.disk())
        return answer

    async def cancel(self, run_id: str, reason: str, *, now: int) -> RunRecord:
        answer = await super().cancel(run_id, reason, now=now)
        self.past.append(self.disk())
        return answer

    def write_one(self, entry: Entry) -> bool | None:
        answer = super().write_one(entry)
        if answer:
            self.past.append(self.disk())
        return answer

    def write(self, batch: Batch, written: Written) -> None:
        def remembered(fenced: frozenset[int], error: Exception | None) -> None:
            if error is None and (batch.entries or batch.changes):
                self.past.append(self.disk())
            written(fenced, error)

        super().write(batch, remembered)


def _copied(rows: dict[int, Row]) -> dict[int, Row]:
    return {num: Row(row.record, row.due, row.crash_seq) for num, row in rows.items()}
