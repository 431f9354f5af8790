"""The witness: stands beside the store and says at each claim, start and line whether it could be right."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine.flow import Flow
from engine.model.run import NewRun, RunRecord, RunState
from engine.stores.blobs import MemoryBlobs
from engine.stores.memory import MemoryStore
from engine.stores.memory.tables import UNDER_WAY

TURNS: Final = "runs of a lane go one after the other"
POOLS: Final = "a pool is never overdrawn"
DUTY: Final = "a node takes what is for it"
URGENT: Final = "the most urgent run goes first"
VERSION: Final = "a run stays with nodes of its version"
CHILD: Final = "a child is asked for by a node that surely lives"
SKIPPED: Final = "a start is skipped for an unfinished run"
REPLACED: Final = "a run is replaced by the next one"
BLOBS: Final = "what a line names is in the blob store"


MINUTE: Final = 60 * 10**9
"""Nanoseconds of waiting that are worth a step of priority, as `docs/limits.md` says."""


@dataclass(frozen=True)
class Duty:
    """What a node is for: runs of these queues, or of all of them, that require no other tags; and what its code is."""

    queues: tuple[str, ...] | None = None
    tags: tuple[str, ...] = ("smtp",)
    version: str = "1"

    def takes_as_much_as(self, other: Duty) -> bool:
        """Whether every run that the other one takes could be this one's as well, as far as queues and tags go."""
        queues = self.queues is None or (other.queues is not None and {*other.queues} <= {*self.queues})
        return queues and {*other.tags} <= {*self.tags}


class Witness:
    """`said` are laws and how they were broken; `places` when a rate lets somebody start, in nanoseconds.

    What it says is worked out from the flows and from what each node is for, not from what the engine made of them.
    """

    def __init__(
        self, store: MemoryStore, blobs: MemoryBlobs, versions: Mapping[str, Mapping[str, Flow[..., Any]]]
    ) -> None:
        """`versions`: the flows of a node, by what its code is."""
        flows = versions["1"]
        self.said: Final[list[tuple[str, str]]] = []
        self.places: Final[defaultdict[str, list[int]]] = defaultdict(list)
        self.duties: Final[dict[str, Duty]] = {}
        self._store = store
        self._blobs = blobs
        self._versions = versions
        self._pools = {name: flow.options.pool for name, flow in flows.items() if flow.options.pool is not None}
        self._singletons = {name: flow.options.singleton for name, flow in flows.items()}

    def aside(self, num: int, epoch: int) -> tuple[str, ...]:
        """Those of a run's lane that stand in the way of what its owner of this epoch does, if that one owns it still.

        They are under way and before it, or after it and have been taken nevertheless.
        """
        row = self._store._rows.get(num)
        if row is None:  # it has ended elsewhere, and is forgotten
            return ()
        run = row.record
        if run.epoch != epoch or run.state is not RunState.RUNNING:
            return ()
        return tuple(
            other.id
            for other in self._lane(run.lane)
            if other.num < num or (other.num > num and other.state is RunState.RUNNING)
        )

    def claimed(self, node: str, runs: Sequence[RunRecord], *, named: bool, known: Collection[str]) -> None:
        """A node took these runs, by their names or because they were due; it knew of these other nodes."""
        duty = self.duties[node]
        for run in runs:
            before = [other.id for other in self._lane(run.lane) if other.num < run.num]
            if before:
                self._say(TURNS, f"{node} took {run.id} when {before} of lane {run.lane} had not ended")
            pool = self._pools.get(run.flow)
            if pool is not None and (held := self._held(pool.name)) > pool.slots:
                self._say(POOLS, f"{held} slots of pool {pool.name} were held when {node} took {run.id}")
            if not named and not _is_for(run, duty):
                self._say(DUTY, f"{node}, of {duty}, took {run.id} of {run.queue}, which requires {run.requires}")
            if not named and run.version != self._version(node, run.flow):
                self._strange(node, run, known)
        if not named and len(self._store._rows) > len(runs):
            last = max(self._rank(run) for run in runs)
            for row in self._store._rows.values():
                if row.due == 0 and self._could_be_taken(row.record, node) and self._rank(row.record) < last:
                    self._say(URGENT, f"{node} took {[run.id for run in runs]} and left {row.record.id}")

    def left(self, node: str, run: RunRecord) -> None:
        """A run has left the memory of a node and waits."""
        if run.version != (version := self._version(node, run.flow)):
            self._say(VERSION, f"{run.id} of version {run.version} was left by {node}, which has {version}")

    def _strange(self, node: str, run: RunRecord, known: Collection[str]) -> None:
        duty = self.duties[node]
        for other in known:
            if self._version(other, run.flow) == run.version and self.duties[other].takes_as_much_as(duty):
                self._say(VERSION, f"{node} took {run.id} of version {run.version}, which {other} has")

    def _version(self, node: str, flow: str) -> str:
        return self._versions[self.duties[node].version][flow].options.version

    def _rank(self, run: RunRecord) -> int:
        """When it was asked for, moved forward by its priority; a child goes by when its first forebear was."""
        priority = run.priority
        while (parent := self._store._rows.get(run.parent or 0)) is not None:
            run = parent.record
        return run.created - priority * MINUTE

    def _could_be_taken(self, run: RunRecord, node: str) -> bool:
        """By this node, whatever others it knows of."""
        if run.held or not _is_for(run, self.duties[node]) or run.version != self._version(node, run.flow):
            return False
        pool = self._pools.get(run.flow)
        return pool is None or self._held(pool.name) < pool.slots

    def asked_in_doubt(self, node: str, new: NewRun) -> None:
        """A node that may have been declared dead asks for a run."""
        self._say(CHILD, f"{node} asked for {new.id}, whose parent may have another owner")

    def created(self, new: NewRun, found: RunRecord, *, made: bool) -> None:
        """A start was answered with this run, which it made or found."""
        singleton = self._singletons[new.flow]
        if new.parent is not None or singleton is None or singleton == "queue":
            return
        before = [other for other in self._lane(new.lane) if not made or other.num != found.num]
        if found.id != new.id:
            if found not in before or singleton != "skip":
                self._say(SKIPPED, f"the start of {new.id} was answered with {found.id}, which is {found.state}")
        elif made and singleton == "skip" and before:
            self._say(SKIPPED, f"{new.id} was made when {[other.id for other in before]} had not ended")
        elif made and singleton == "replace":
            for other in before:
                if other.cancel is None:
                    self._say(REPLACED, f"{new.id} was made, and {other.id} goes on")

    def reserved(self, rate: str, place: int) -> None:
        """A start of this rate may be then."""
        self.places[rate].append(place)

    def named(self, run: int, blob: str | None) -> None:
        """A line or an end says where a value is."""
        if blob is not None and blob not in self._blobs._objects:
            self._say(BLOBS, f"{self._store._rows[run].record.id} names {blob}, which is not there")

    def thrown_away(self, blobs: Sequence[str]) -> None:
        """These may be deleted, since nothing names them any more."""
        for num, row in self._store._rows.items() if blobs else ():
            named = {row.record.result_blob, *(entry.blob for entry in self._store._entries[num].values())}
            for blob in named.intersection(blobs):
                self._say(BLOBS, f"{blob} is thrown away, and {row.record.id} names it")

    def _say(self, law: str, what: str) -> None:
        self.said.append((law, what))

    def _lane(self, lane: str | None) -> Iterator[RunRecord]:
        if lane is not None:
            for row in self._store._rows.values():
                if row.record.lane == lane and row.record.state in UNDER_WAY:
                    yield row.record

    def _held(self, pool: str) -> int:
        """Counted from the runs and the flows they are of, not from what the store keeps for it."""
        runs = sum(
            row.record.state is RunState.RUNNING
            and (of := self._pools.get(row.record.flow)) is not None
            and of.name == pool
            for row in self._store._rows.values()
        )
        return runs + sum(slot[0] == pool for slot in self._store._slots)


def _is_for(run: RunRecord, duty: Duty) -> bool:
    return (duty.queues is None or run.queue in duty.queues) and {*run.requires} <= {*duty.tags}
