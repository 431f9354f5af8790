"""History in memory: lists, and forgetting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from engine.model.entry import ATTEMPT, WAIT, Entry
from engine.model.run import ENDED, LogLine, RunRecord, RunState
from engine.stores.memory.tables import Tables


class MemoryHistory(Tables):
    """Satisfies `ports.history.History`."""

    async def list_runs(
        self,
        *,
        states: Collection[RunState] = (),
        flow: str | None = None,
        tag: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> Sequence[RunRecord]:
        wanted = (
            run
            for run in reversed([*self._records()])
            if (not states or run.state in states)
            and (flow is None or run.flow == flow)
            and (tag is None or tag in run.tags)
            and (before is None or run.num < before)
        )
        return [run for run, _ in zip(wanted, range(limit), strict=False)]

    async def unfinished(self, *, flow: str | None = None) -> Sequence[RunRecord]:
        return [run for run in self._records() if run.state not in ENDED and flow in (None, run.flow)]

    async def count_runs(self) -> dict[RunState, int]:
        return dict(Counter(run.state for run in self._records() if run.state not in ENDED))

    async def last_lines(self, runs: Collection[int], *, each: int) -> Sequence[Entry]:
        lines = [entry for run in sorted(runs) for _, entry in sorted(self._entries.get(run, {}).items())[-each:]]
        return [line if line.kind in (WAIT, ATTEMPT) else line._replace(value=b"") for line in lines]

    async def open_children(self, runs: Collection[int], *, each: int) -> Sequence[RunRecord]:
        ours = [run for run in self._records() if run.parent in runs and run.state not in ENDED]
        return [child for run in sorted(runs) for child in [child for child in ours if child.parent == run][:each]]

    async def logs(self, run: int, *, after: int = 0, limit: int = 1000) -> Sequence[tuple[int, LogLine]]:
        return [(position, line) for position, line in self._logs if line.run == run and position > after][:limit]

    async def prune(self, *, ended_before: int, limit: int) -> tuple[int, Sequence[str]]:
        ended = [
            (run.ended, run.num)
            for run in self._records()
            if run.state in ENDED and run.ended is not None and run.ended < ended_before and not self._is_awaited(run)
        ]
        nums = {num for _, num in sorted(ended)[:limit]}
        blobs = {blob for num in nums for blob in self._blobs(num)}
        for num in nums:
            del self._nums[self._rows.pop(num).record.id], self._entries[num]
        self._signals = [signal for signal in self._signals if signal.run not in nums]
        self._logs = [(position, line) for position, line in self._logs if line.run not in nums]
        self._slots = {slot: node for slot, node in self._slots.items() if slot[1] not in nums}
        used = {blob for num in self._rows for blob in self._blobs(num)}
        return len(nums), sorted(blobs - used)

    def _is_awaited(self, run: RunRecord) -> bool:
        """Its parent goes on, and may ask for it on replay."""
        parent = self._rows.get(run.parent or 0)
        return parent is not None and parent.record.state not in ENDED

    def _blobs(self, num: int) -> list[str]:
        names = [entry.blob for entry in self._entries[num].values()]
        return [blob for blob in (*names, self._rows[num].record.result_blob) if blob is not None]
