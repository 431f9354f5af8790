"""The checker: reads ledger, store and trace when a schedule is over, and says which promise was broken, and where."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from hashlib import blake2b
from itertools import pairwise
from typing import Final, NamedTuple

from engine.model import entry as kinds
from engine.model.run import ENDED, RunRecord, RunState
from tests.simulation import blindly, expected, forgetting, turns, witness
from tests.simulation.evidence import Line
from tests.simulation.flows import LANES
from tests.simulation.ledger import Effect
from tests.simulation.limited import DESKS
from tests.simulation.plan import CANCELLED, Asked
from tests.simulation.schedule import Schedule

TIDY: Final = CANCELLED | {"overdue"}
"""Flows that do something when they are ended."""

POOLS: Final = {pool.name: pool.slots for pool in (LANES, DESKS)}

LATE: Final = 5.0
"""Seconds for which a node that was buried may go on with what it had begun: it learns of it by asking."""


class Finding(NamedTuple):
    """A broken promise."""

    law: str
    what: str


def check(schedule: Schedule) -> list[Finding]:
    """Every promise that was broken."""
    case = _Case(schedule)
    laws = {
        "acknowledged runs end, and rightly": case.results,
        "a parent outlives its children": case.children,
        "a recorded step never runs again": case.repeated,
        "an attempt runs once per owner": case.doubled,
        "what asks first is not repeated blindly": lambda: blindly.repeated(schedule),
        "an outcome is unknown when an attempt had begun": lambda: blindly.unfounded(schedule),
        "what must not be repeated fails its run": lambda: blindly.gone_on(schedule),
        "a step starts when the one before is recorded": case.order,
        "old epochs write nothing": case.epochs,
        "a journal has no holes": case.holes,
        "one owner at a time": case.owners,
        witness.POOLS: case.overdrawn,
        witness.TURNS: lambda: turns.in_turn(schedule),
        "a run waits where it was put": lambda: turns.placed(schedule),
        "a lane is in the order of start": lambda: turns.in_order(schedule),
        witness.SKIPPED: lambda: turns.skipped(schedule),
        witness.REPLACED: lambda: turns.replaced(schedule),
        "a rate has room for its places": lambda: turns.spread(schedule),
        "a rate is kept": lambda: turns.rushed(schedule),
        "a run with a rate starts at its place": lambda: turns.early(schedule),
        "a run with a rate begins at its place": lambda: turns.unasked(schedule),
        "what is forgotten ended long ago": lambda: forgetting.too_early(schedule),
        "a child is not forgotten before its parent ends": lambda: forgetting.awaited(schedule),
        "a run is forgotten as a whole": lambda: forgetting.torn(schedule),
        "acknowledged signals are received": case.signals,
        "nothing is left behind": case.leaks,
    }
    found = [Finding(law, what) for law, judge in laws.items() for what in judge()]
    return found + [Finding(law, what) for law, what in schedule.server.witness.said]


class _Case:
    def __init__(self, schedule: Schedule) -> None:
        self._s = schedule
        self._server = schedule.server
        self._runs: dict[int, RunRecord] = self._server.runs
        self._by_id = {run.id: run for run in self._runs.values()}
        self._effects = schedule.ledger.effects
        self._recorded: dict[str, Line] = {}
        self._failed: dict[tuple[str, int], Line] = {}
        for line in self._server.lines:
            entry, run = line.entry, self._runs[line.entry.run]
            if entry.kind == kinds.TASK:
                self._recorded[_idempotency(run, entry.key)] = line
            elif entry.kind == kinds.ATTEMPT:
                self._failed[_idempotency(run, entry.key), entry.attempt] = line

    def results(self) -> Iterator[str]:
        if self._s.stuck:
            yield "the schedule got stuck"
        for asked in self._s.plan.runs:
            run = self._by_id.get(asked.id)
            if run is None:
                if asked.id in self._s.acknowledged:
                    yield f"run {asked.id} was acknowledged, and the store does not know it"
                continue
            if (why := self._wrong(asked, run)) is not None:
                yield f"run {asked.id} {asked.params} {why}"
        for run in self._runs.values():
            if run.state not in ENDED:
                yield f"run {run.id} is still {run.state} under {run.owner}, epoch {run.epoch}"

    def _wrong(self, asked: Asked, run: RunRecord) -> str | None:
        ends = expected.end(asked)
        if run.state not in ends:
            return f"was to be {' or '.join(sorted(ends))}, and is {run.state} ({run.crashes} crashes): {run.error!r}"
        if asked.flow in TIDY and run.started is not None and not self._tidied(run):
            return f"is {run.state} and has not tidied up"
        if run.state is RunState.FAILED and expected.failure(asked.flow) not in (run.error or b""):
            return f"failed with {run.error!r}"
        if run.state is not RunState.SUCCEEDED:
            return None
        data = run.result if run.result_blob is None else self._stored(run, run.result_blob)
        if data is None:
            return "has lost its result"
        return expected.wrong(asked, json.loads(data), self._heard(run), jumps=self._s.plan.jumps)

    def _tidied(self, run: RunRecord) -> bool:
        return any(line.entry.run == run.num and line.entry.name == "tidy" for line in self._server.lines)

    def _heard(self, run: RunRecord) -> list[int]:
        forgotten = self._server.forgotten.get(run.num)
        signals = self._server.store._signals if forgotten is None else forgotten.signals
        return [int(one.payload) for one in signals if one.run == run.num]

    def _stored(self, run: RunRecord, blob: str) -> bytes | None:
        forgotten = self._server.forgotten.get(run.num)
        return self._server.blobs._objects.get(blob) if forgotten is None else forgotten.data

    def signals(self) -> Iterator[str]:
        for id_, words in self._s.said.items():
            run = self._by_id[id_]
            if (heard := self._heard(run)) != words:
                yield f"run {id_} was told {words}, and the store has {heard}"

    def children(self) -> Iterator[str]:
        for move in self._server.moves:
            if move.open_children:
                yield f"run {move.before.id} ended before {', '.join(move.open_children)}"

    def repeated(self) -> Iterator[str]:
        """An effect began although its step's outcome was on disk before.

        A node that was buried and does not know it yet may do so for a moment: nobody but itself can stop it, and
        nothing of it is recorded.
        """
        for one in self._effects:
            line = self._recorded.get(one.idempotency) or self._failed.get((one.idempotency, one.attempt))
            if line is None or one.at <= line.at:
                continue
            entry = line.entry
            said = f"{_who(one)} began {one.at - line.at:.3f} s after its line {entry.seq} of epoch {entry.epoch}"
            if one.epoch >= entry.epoch:
                yield said
            elif (late := self._since_buried(one)) is None or late > LATE:
                yield f"{said}, by a node that was buried {late} s before"

    def _since_buried(self, one: Effect) -> float | None:
        """For how long the process could have known, when the effect began, that it had been buried."""
        expelled = self._server.members[one.process].expelled
        return None if expelled is None else one.at - max(expelled, self._s.machines.back[one.process])

    def doubled(self) -> Iterator[str]:
        before: dict[tuple[str, int, int], Effect] = {}
        for one in self._effects:
            first = before.setdefault((one.idempotency, one.epoch, one.attempt), one)
            if first is not one:
                yield f"{_who(one)} began twice, the second time {one.at - first.at:.3f} s after the first"

    def order(self) -> Iterator[str]:
        """In a chain, no link begins before the one before is on disk."""
        keys: dict[tuple[str, int], str] = {}
        for one in self._effects:
            if one.task != "link" or self._by_id[one.run].flow != "chain":
                continue
            keys[one.run, one.n] = one.idempotency
            before = self._recorded.get(keys.get((one.run, one.n - 1), ""))
            if one.n and (before is None or before.at > one.at):
                yield f"{_who(one)} began link {one.n} before link {one.n - 1} was on disk"

    def epochs(self) -> Iterator[str]:
        for line in self._server.lines:
            entry = line.entry
            released = line.owner is None  # and nobody has taken it since
            if entry.epoch != line.epoch or not (released or line.owner == line.process):
                yield (
                    f"line {entry.seq} of {self._runs[entry.run].id}, of epoch {entry.epoch}, was written by "
                    f"{line.process} when {line.owner} owned the run in epoch {line.epoch}"
                )
        last: dict[int, int] = {}
        for line in self._server.lines:
            num, seq, *_ = line.entry
            if seq <= last.get(num, -1):
                yield f"line {seq} of {self._runs[num].id} came after line {last[num]}"
            last[num] = seq
        for move in self._server.moves:
            run = move.before
            fits = run.epoch == move.claimed and (
                move.what in {"Adopted", "Exported"} or (run.state is RunState.RUNNING and run.owner == move.process)
            )
            if not fits:
                yield f"{move.process} {move.what} {run.id} in epoch {move.claimed}; {run.owner} had it in {run.epoch}"

    def holes(self) -> Iterator[str]:
        """Once a run has been told that its lines are lost, its owner writes no others: they would hang in the air."""
        for refused in self._server.refusals:
            lost = {id(entry) for entry in refused.batch.entries}
            told = {(entry.run, entry.epoch) for entry in refused.batch.entries}
            for line in self._server.lines:
                entry = line.entry
                if line.at > refused.at and (entry.run, entry.epoch) in told and id(entry) not in lost:
                    yield f"line {entry.seq} of {self._runs[entry.run].id} was written behind lines that were lost"

    def owners(self) -> Iterator[str]:
        owners: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
        claims: defaultdict[int, list[int]] = defaultdict(list)
        for claim in self._server.claims:
            owners[self._runs[claim.num].id, claim.epoch].add(claim.process)
            claims[claim.num].append(claim.epoch)
        for one in self._effects:
            owners[one.run, one.epoch].add(one.process)
        for (run, epoch), names in owners.items():
            if len(names) > 1:
                yield f"epoch {epoch} of run {run} had several owners: {sorted(names)}"
        for num, epochs in claims.items():
            if any(two <= one for one, two in pairwise(epochs)):
                yield f"run {self._runs[num].id} was taken with the epochs {epochs}"

    def overdrawn(self) -> Iterator[str]:
        """More effects in a pool at once than it has slots; what the dead and the buried did is left out."""
        moves: list[tuple[float, int, Effect]] = []
        for one in self._effects:
            if one.pool:
                until = min(self._gone(one), one.ended if one.ended is not None else float("inf"))
                if until > one.at:
                    moves += [(one.at, 1, one), (until, -1, one)]
        inside: defaultdict[str, list[Effect]] = defaultdict(list)
        for at, by, one in sorted(moves, key=lambda move: move[:2]):
            pool = inside[one.pool]
            if by < 0:
                pool.remove(one)
                continue
            pool.append(one)
            if len(pool) > POOLS[one.pool]:
                yield f"pool {one.pool} had {len(pool)} inside at {at:.4f}: {'; '.join(map(_who, pool))}"

    def _gone(self, one: Effect) -> float:
        """When the process died, stood still or was buried."""
        member = self._server.members[one.process]
        times = [time for time in (self._s.machines.died.get(one.process), member.expelled) if time is not None]
        return min(times, default=float("inf"))

    def leaks(self) -> Iterator[str]:
        yield from self._s.leaks
        yield from self._s.loop.complaints


def _idempotency(run: RunRecord, key: str) -> str:
    return blake2b(f"{run.id}|{run.trace}|{key}".encode(), digest_size=16).hexdigest()


def _who(one: Effect) -> str:
    return f"{one.task} of {one.run} ({one.process}, epoch {one.epoch}, attempt {one.attempt}, key {one.key})"
