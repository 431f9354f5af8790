"""The journal in memory: a batch is checked first and then written, so that it is all or nothing."""

from __future__ import annotations

from collections.abc import Sequence

from engine.model.change import Adopted, Batch, Change, Ended, Exported, Parked, Released
from engine.model.entry import Entry
from engine.model.errors import StoreError
from engine.model.run import ENDED, RunState
from engine.ports.journal import Written
from engine.stores.memory.tables import Tables


class MemoryJournal(Tables):
    """Satisfies `ports.journal.Journal`."""

    @property
    def immediate(self) -> bool:
        return True

    async def read(self, run: int) -> Sequence[Entry]:
        return [entry for _, entry in sorted(self._entries.get(run, {}).items())]

    def write_one(self, entry: Entry) -> bool | None:
        if not self._holds(entry.run, entry.epoch, False):
            return False
        if entry.seq in self._entries[entry.run]:
            raise StoreError("a journal line is there already: a run has one line for each `seq`")
        self._entries[entry.run][entry.seq] = entry
        return True

    def write(self, batch: Batch, written: Written) -> None:
        moved = {change.num for change in batch.changes if isinstance(change, (Ended, Parked, Released))}
        fenced = frozenset(num for num, epoch in batch.epochs.items() if not self._holds(num, epoch, num in moved))
        entries = [entry for entry in batch.entries if entry.run not in fenced]
        lines = [(entry.run, entry.seq) for entry in entries]
        if len({*lines}) < len(lines) or any(seq in self._entries[run] for run, seq in lines):
            written(frozenset(), StoreError("a journal line is there already: a run has one line for each `seq`"))
            return
        for entry in entries:
            self._entries[entry.run][entry.seq] = entry
        for change in batch.changes:
            if change.num not in fenced:
                self._apply(change)
        self._logs += [(next(self._log_ids), line) for line in batch.logs if line.run not in fenced]
        written(fenced, None)

    def _holds(self, num: int, epoch: int, moved: bool) -> bool:
        row = self._rows.get(num)
        return row is not None and row.record.epoch == epoch and not (moved and row.record.state != RunState.RUNNING)

    def _apply(self, change: Change) -> None:
        match change:
            case Ended(num, state, result, result_blob, error, at):
                self._end(num, state, at, result=result, result_blob=result_blob, error=error)
            case Parked(num, wake_at):
                self._sleep(num, RunState.WAITING, wake_at)
                if self._happened(change):
                    self._wake(num)
            case Released(num):
                self._queue(num)
            case Exported(num, seq):
                self._update(num, exported=max(seq, self._rows[num].record.exported))
            case Adopted(num, version, fingerprint, python):
                self._update(num, version=version, fingerprint=fingerprint, python=python)

    def _happened(self, parked: Parked) -> bool:
        return (
            self._rows[parked.num].record.cancel is not None
            or any(signal.run == parked.num and signal.id > parked.seen_signal for signal in self._signals)
            or any(self._rows[num].record.state in ENDED for num in parked.children if num in self._rows)
        )
