"""The checker: reads ledger and store when all is over, and says which promise was broken, where and when.

Lines in the ledger and looks at the store are compared by the monotonic clock. A line of a journal was on disk at the
latest when the look that saw it first had ended, and at the earliest when the look before that one began: every rule
takes the side on which it cannot accuse the innocent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from hashlib import blake2b
from itertools import pairwise
from typing import Final

from engine.model import entry as kinds
from tests.chaos import turns
from tests.chaos.evidence import Evidence, Finding
from tests.chaos.expected import wrong
from tests.chaos.history import Seen
from tests.chaos.ledger import Line
from tests.chaos.sight import ENDED

SECOND: Final = 10**9

LATE: Final = 3.0
"""Seconds for which a node that was declared dead may go on with what it had begun: it learns of it by asking."""


def check(evidence: Evidence) -> list[Finding]:
    """Every promise that was broken."""
    case = _Case(evidence)
    laws: dict[str, Callable[[], Iterator[str]]] = {
        "acknowledged runs end, and rightly": case.results,
        "a recorded step never runs again": case.repeated,
        "an attempt runs once per owner": case.doubled,
        "a step starts when the one before is recorded": case.order,
        "old epochs write nothing": case.epochs,
        "one owner at a time": case.owners,
        "a journal only grows": lambda: iter(evidence.history.changed),
        "no slot is leaked": case.leaks,
        "a pool is never overdrawn": case.overdrawn,
        "runs of a lane go one after the other": lambda: turns.in_turn(evidence, case.recorded()),
        "a lane is in the order of start": lambda: turns.in_order(evidence),
        "a look sees one turn of a lane": lambda: turns.at_once(evidence),
        "a start is skipped for an unfinished run": lambda: turns.skipped(evidence),
        "a run is replaced by the next one": lambda: turns.replaced(evidence),
        "a pool's runs fit into memory": lambda: turns.crowded(evidence),
        "a rate is kept": lambda: turns.rushed(evidence),
        "traces are whole": lambda: iter(evidence.broken_traces),
        "a span sent again is the same": lambda: iter(evidence.differing_spans),
    }
    return [Finding(law, what) for law, judge in laws.items() for what in judge()]


def by_the_dead(evidence: Evidence) -> int:
    """How many effects nodes began after others had recorded the same step: what no lease can prevent."""
    return sum(line.epoch < seen.line.epoch for line, seen in _Case(evidence).late())


class _Case:
    def __init__(self, evidence: Evidence) -> None:
        self._e = evidence
        self._begun = sorted((line for line in evidence.ledger if line.what == "begin"), key=_at)
        self._took = sorted((line for line in evidence.ledger if line.what == "took"), key=_at)
        self._node = {line.pid: str(line.node) for line in evidence.ledger if line.what == "joined"}
        self._num = {run.id: run.num for run in evidence.history.runs.values()}
        self._claims: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        for line in self._took:
            self._claims[line.num].append((line.at, line.epoch))

    def results(self) -> Iterator[str]:
        runs = {run.id: run for run in self._e.history.runs.values()}
        taken = {line.run for line in self._took}  # who was never taken has nothing to tidy up
        tidied = {line.run for line in self._begun if line.task == "tidy"}
        for asked in self._e.asked.values():
            run = runs.get(asked.id)
            if run is None:
                yield f"run {asked.id} was acknowledged, and the store does not know it"
                continue
            kind, value = self._e.results.get(asked.id, (run.state, None))
            if asked.cancelled or self._e.singletons.get(asked.flow) == "replace":
                if run.state != "cancelled":
                    yield f"run {asked.id} was to be cancelled, and is {run.state}"
                elif asked.id in taken and asked.id not in tidied:
                    yield f"run {asked.id} was cancelled and has not tidied up"
            elif run.state != "succeeded":
                yield f"run {asked.id} is {run.state} ({run.crashes} crashes): {kind} {value}"
            elif not asked.unsure and (why := wrong(asked.flow, asked.params, value, asked.said)):
                yield f"run {asked.id} of {asked.flow}({asked.params}) {why}"
        for run in runs.values():
            if run.state not in ENDED:
                yield f"run {run.id} is still {run.state} under {run.owner}, epoch {run.epoch}"

    def repeated(self) -> Iterator[str]:
        """An effect began although its step's outcome was seen on disk before.

        A node that was declared dead and does not know it yet may do so for a moment: nobody but itself can stop it,
        and nothing of it is recorded.
        """
        for line, seen in self.late():
            written = f"line {seen.line.seq} of epoch {seen.line.epoch}"
            said = f"{_who(line)} began {_after(line.at, seen.by)} its outcome was seen, {written}"
            if line.epoch >= seen.line.epoch:
                yield said
            elif (late := self._since_dead(line)) > LATE:
                yield f"{said}, by a node that had been dead for {late:.1f} s"

    def late(self) -> Iterator[tuple[Line, Seen]]:
        """Effects that began after the outcome of their step was seen, and what was seen."""
        recorded = self.recorded()
        for line in self._begun:
            seen = recorded.get(line.key) or recorded.get(f"{line.key} {line.attempt}")
            if seen is not None and line.at > seen.by:
                yield line, seen

    def doubled(self) -> Iterator[str]:
        before: dict[tuple[str, int, int], Line] = {}
        for line in self._begun:
            first = before.setdefault((line.key, line.epoch, line.attempt), line)
            if first is not line:
                yield f"{_who(line)} began twice, the second time {_after(line.at, first.at)} the first"

    def order(self) -> Iterator[str]:
        """In a chain, nobody goes back to a link once a later one has begun, unless he has been declared dead."""
        furthest: dict[str, Line] = {}
        for line in self._begun:
            if line.task != "link" or not self._is_chain(line.run):
                continue
            last = furthest.setdefault(line.run, line)
            if line.n >= last.n:
                furthest[line.run] = line
            elif line.epoch >= last.epoch or self._since_dead(line) > LATE:
                yield f"{_who(line)} began link {line.n} {_after(line.at, last.at)} link {last.n} in epoch {last.epoch}"

    def epochs(self) -> Iterator[str]:
        journals: defaultdict[int, list[Seen]] = defaultdict(list)
        for seen in self._e.history.lines.values():
            journals[seen.line.run].append(seen)
        for num, lines in journals.items():
            run = self._e.history.runs[num]
            lines.sort(key=lambda seen: seen.line.seq)
            if [seen.line.seq for seen in lines] != [*range(lines[0].line.seq, lines[0].line.seq + len(lines))]:
                yield f"the journal of {run.id} has holes: {[seen.line.seq for seen in lines]}"
            for one, two in pairwise(lines):
                if two.line.epoch < one.line.epoch:
                    yield f"line {two.line.seq} of {run.id} is of epoch {two.line.epoch}, after {one.line.epoch}"
            for seen in lines:
                newer = [at for at, epoch in self._claims[num] if epoch > seen.line.epoch and at < seen.after]
                if newer:
                    yield (
                        f"line {seen.line.seq} of {run.id} is of epoch {seen.line.epoch} and came "
                        f"{_after(seen.after, min(newer))} a newer owner took the run"
                    )
                over = self._e.history.ended.get(num)
                if over is not None and seen.after > over:
                    yield f"line {seen.line.seq} of {run.id} came {_after(seen.after, over)} the run had ended"

    def owners(self) -> Iterator[str]:
        owners: defaultdict[tuple[str, int], set[int]] = defaultdict(set)
        for line in (*self._took, *self._begun):
            owners[line.run, line.epoch].add(line.pid)
        for (run, epoch), pids in owners.items():
            if len(pids) > 1:
                yield f"epoch {epoch} of run {run} had several owners: processes {sorted(pids)}"

    def leaks(self) -> Iterator[str]:
        for pool, run, key, node in self._e.slots_held:
            yield f"a slot of {pool} is held for run {run}, {key}, by {node} when all is over"

    def overdrawn(self) -> Iterator[str]:
        """More effects in a pool at once than it has slots; what frozen, dead and expelled nodes did is left out."""
        moves: list[tuple[int, int, str, Line]] = []
        ends = {
            (line.pid, line.key, line.attempt, line.epoch): line.at for line in self._e.ledger if line.what == "end"
        }
        for line in self._begun:
            if "pool" in line.facts:
                until = [ends.get((line.pid, line.key, line.attempt, line.epoch), self._e.died.get(line.pid, line.at))]
                until += [began for began, _ in self._e.frozen.get(line.pid, ()) if began > line.at]
                until.append(self._expelled(line.pid))
                if min(until) > line.at and not self._was_frozen(line):
                    moves += [(line.at, 1, line.pool, line), (min(until), -1, line.pool, line)]
        inside: defaultdict[str, list[Line]] = defaultdict(list)
        for at, by, pool, line in sorted(moves, key=lambda move: move[:2]):
            if by < 0:
                inside[pool].remove(line)
                continue
            inside[pool].append(line)
            if len(inside[pool]) > self._e.pools[pool]:
                yield f"pool {pool} had {len(inside[pool])} inside at {at}: {[_who(one) for one in inside[pool]]}"

    def recorded(self) -> dict[str, Seen]:
        """By idempotency key, and by key and attempt for attempts that failed."""
        found: dict[str, Seen] = {}
        for seen in self._e.history.lines.values():
            line, run = seen.line, self._e.history.runs[seen.line.run]
            name = blake2b(f"{run.id}|{run.trace}|{line.key}".encode(), digest_size=16).hexdigest()
            if line.kind == kinds.TASK:
                found[name] = seen
            elif line.kind == kinds.ATTEMPT:
                found[f"{name} {line.attempt}"] = seen
        return found

    def _expelled(self, pid: int) -> int:
        """When a process was last seen to be a member, give or take a look; far away for one that never was."""
        return self._e.history.members.get(self._node.get(pid, ""), 2**63)

    def _since_dead(self, line: Line) -> float:
        """For how long the process was awake, in seconds, since it was declared dead."""
        since = self._expelled(line.pid)
        asleep = sum(
            max(0, min(thawed, line.at) - max(began, since)) for began, thawed in self._e.frozen.get(line.pid, ())
        )
        return (line.at - since - asleep) / SECOND

    def _was_frozen(self, line: Line) -> bool:
        return any(began <= line.at for began, _ in self._e.frozen.get(line.pid, ()))

    def _is_chain(self, run: str) -> bool:
        num = self._num.get(run)
        return num is not None and self._e.history.runs[num].flow == "chain"


def _at(line: Line) -> int:
    return line.at


def _who(line: Line) -> str:
    by = f"process {line.pid}, epoch {line.epoch}, attempt {line.attempt}, key {line.key[:8]}"
    return f"{line.task} of {line.run} ({by})"


def _after(late: int, early: int) -> str:
    return f"{(late - early) / SECOND:.3f} s after"
