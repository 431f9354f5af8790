"""Runs in memory: created, claimed, signalled and cancelled."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from engine.model.errors import RunConflict, UnknownRun
from engine.model.limits import ANY, Takes
from engine.model.run import ENDED, NewRun, RunRecord, RunState, Signal
from engine.stores.memory.tables import ASLEEP, Row, Tables
from engine.stores.parents import check_parent

_COPIED = [name for name in NewRun._fields if name not in ("due", "occupied", "parent_epoch")]


class MemoryRuns(Tables):
    """Satisfies `ports.runs.Runs`."""

    async def create(self, run: NewRun) -> tuple[RunRecord, bool]:
        if run.id in self._nums:
            return self._known(run.id), False
        check_parent(run, None if run.parent is None else await self.find_num(run.parent))
        before = self._in_lane(run.lane)
        if before and run.occupied == "skip":
            return before[0], False
        if run.occupied == "replace":
            for other in reversed(before):  # those that wait first, or each would have its turn
                await self.cancel(other.id, f"replaced by run {run.id}", now=run.created)
        num = next(self._run_nums)
        record = RunRecord(
            num=num,
            state=RunState.QUEUED,
            epoch=0,
            owner=None,
            started=None,
            ended=None,
            wake_at=run.due or None,
            crashes=0,
            cancel=None,
            result=None,
            result_blob=None,
            error=None,
            held=bool(self._in_lane(run.lane)),
            **{name: getattr(run, name) for name in _COPIED},
        )
        self._nums[run.id] = num
        self._rows[num] = Row(record, run.due)
        self._entries[num] = {}
        self._touch()
        return record, True

    async def find(self, run_id: str) -> RunRecord | None:
        return await self.find_num(self._nums.get(run_id, 0))

    async def find_num(self, num: int) -> RunRecord | None:
        row = self._rows.get(num)
        return None if row is None else row.record

    async def claim(
        self,
        node: str,
        *,
        now: int,
        limit: int,
        flows: Collection[str],
        only: Collection[int] | None = None,
        takes: Takes = ANY,
    ) -> Sequence[RunRecord]:
        ready = [(run, when) for run, when in self._due(flows, takes if only is None else None) if when <= now]
        due = _first_of_each_kind(ready, limit) if only is None else [run for run, _ in ready if run.num in only]
        if due:
            self._joined(node)
        taken: list[RunRecord] = []
        for run in sorted(due, key=lambda run: (run.rank, run.num)):
            pool = takes.pools.get(run.flow)
            if len(taken) < limit and (pool is None or self._held_slots(pool.name) < pool.slots):
                taken.append(self._claim(run.num, node, now))
                self._rows[run.num].pool = None if pool is None else pool.name
        return taken

    async def next_due(self, *, flows: Collection[str], takes: Takes = ANY) -> int | None:
        full = {flow for flow, pool in takes.pools.items() if self._held_slots(pool.name) >= pool.slots}
        return min((when for run, when in self._due(flows, takes) if run.flow not in full), default=None)

    async def signal(self, run_id: str, name: str, payload: bytes, *, now: int) -> RunRecord:
        run = self._known(run_id)
        if run.state in ENDED:
            raise RunConflict(f"run {run_id} of flow {run.flow} has {run.state}: it takes no signal {name!r} any more")
        self._signals.append(Signal(next(self._signal_ids), run.num, name, payload, now))
        self._wake(run.num)
        self._touch()
        return self._known(run_id)

    async def signals(self, run: int, *, after: int = 0) -> Sequence[Signal]:
        return await self.signals_after(after, (run,))

    async def signals_after(self, after: int, runs: Collection[int]) -> Sequence[Signal]:
        return [signal for signal in self._signals if signal.id > after and signal.run in runs]

    async def cancel(self, run_id: str, reason: str, *, now: int) -> RunRecord:
        run = self._known(run_id)
        self._touch()
        if run.state is RunState.DIVERGED or (run.state is RunState.QUEUED and run.started is None):
            return self._end(run.num, RunState.CANCELLED, now, cancel=reason)
        if run.state not in ENDED and run.cancel is None:
            self._update(run.num, cancel=reason)
        self._wake(run.num)
        return self._known(run_id)

    async def cancelled(self, runs: Collection[int]) -> Sequence[tuple[int, str]]:
        return [(run.num, run.cancel) for run in self._records() if run.cancel and not run.ended and run.num in runs]

    async def requeue(self, run_id: str, *, now: int) -> RunRecord:
        run = self._known(run_id)
        if run.state is not RunState.DIVERGED:
            raise RunConflict(
                f"run {run_id} of flow {run.flow} is {run.state}: only a diverged run can be queued again"
            )
        self._touch()
        return self._queue(run.num, ended=None, error=None, held=bool(self._in_lane(run.lane)))

    async def copy_journal(self, source: int, target: int, keys: Collection[str], *, now: int) -> None:
        run = await self.find_num(target)
        if run is None:
            raise UnknownRun(f"no run has the number {target} in this store: create it before copying to it")
        if run.started is not None or run.state is not RunState.QUEUED:
            raise RunConflict(f"run {run.id} of flow {run.flow} has started: copy results to a new run only")
        kept = [entry for _, entry in sorted(self._entries.get(source, {}).items()) if entry.key in keys]
        self._entries[target] = {seq: e._replace(run=target, seq=seq, epoch=0) for seq, e in enumerate(kept)}
        self._rows[target].due = 0
        self._update(target, wake_at=None)

    async def children(self, run: int) -> Sequence[RunRecord]:
        return [record for record in self._records() if record.parent == run]

    def changed(self) -> bool:
        touched, self._touched = self._touched, False
        return touched

    def on_change(self, wake: Callable[[], None]) -> Callable[[], None]:
        return self._listeners.add(wake)

    def _due(self, flows: Collection[str], takes: Takes | None) -> list[tuple[RunRecord, int]]:
        return [
            (row.record, row.due)
            for row in self._rows.values()
            if row.record.state in ASLEEP
            and row.record.flow in flows
            and row.due is not None
            and not row.record.held
            and (takes is None or _fits(row.record, takes))
        ]

    def _claim(self, num: int, node: str, now: int) -> RunRecord:
        self._rows[num].due = None
        run = self._rows[num].record
        started = now if run.started is None else run.started
        return self._update(num, state=RunState.RUNNING, owner=node, epoch=run.epoch + 1, started=started, wake_at=None)


def _first_of_each_kind(ready: Sequence[tuple[RunRecord, int]], limit: int) -> list[RunRecord]:
    """Of runs whose time has come, those that came due first are looked at, as indexes can tell."""
    kinds: dict[object, list[tuple[int, int, RunRecord]]] = {}
    for run, when in ready:
        at_once = when == 0
        kind = kinds.setdefault((at_once, run.flow, run.queue, run.requires, run.version), [])
        kind.append((when, run.rank, run))
    return [run for kind in kinds.values() for _, _, run in sorted(kind, key=_place)[:limit]]


def _place(candidate: tuple[int, int, RunRecord]) -> tuple[int, int, int]:
    when, rank, run = candidate
    return when, rank, run.num


def _fits(run: RunRecord, takes: Takes) -> bool:
    return (
        (takes.queues is None or run.queue in takes.queues)
        and (takes.tags is None or {*run.requires} <= {*takes.tags})
        and (run.flow, run.version) not in takes.elsewhere
    )
