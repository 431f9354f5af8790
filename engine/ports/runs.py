"""The runs: created by anyone, claimed by one node at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from engine.model.limits import ANY, Takes
from engine.model.run import NewRun, RunRecord, Signal


class Runs(Protocol):
    """Runs waiting for a node, and what other processes tell the node that has one.

    Every method is durable when it returns and raises StoreError when it cannot be.
    """

    async def create(self, run: NewRun) -> tuple[RunRecord, bool]:
        """Store a run; True when it is new. An id in use answers the run that has it, whatever it is.

        When another run of its `lane` has not ended, `occupied` says what happens: "queue" holds the new one until
        all before it have ended or stand still; "skip" makes none, and answers the oldest one; "replace" cancels
        those before it, as `cancel` does, and is held until they have ended.
        Raises Fenced, and does none of this, when its parent no longer has the `parent_epoch` it names.
        """
        ...

    async def find(self, run_id: str) -> RunRecord | None:
        """The run of this id."""
        ...

    async def find_num(self, num: int) -> RunRecord | None:
        """The run of this number."""
        ...

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
        """Take up to `limit` runs that are due, lowest `rank` first and of one rank the oldest.

        Those are QUEUED ones, and WAITING ones whose `wake_at` has come. They become RUNNING, owned by `node`, with
        their epoch one higher. Only runs of `flows` are taken that are not held in their lane, and that fit `takes`;
        a run of a flow with a pool holds a slot of it as long as it is RUNNING. When `only` is given, those numbered
        in it are taken, whatever their queue, what they require, and their version. When more than `limit` runs of
        a kind have waited for a time that has come, those that came due first are looked at.
        """
        ...

    async def next_due(self, *, flows: Collection[str], takes: Takes = ANY) -> int | None:
        """When the next run that such a claim could take is due; None when no time will make one due.

        Runs whose pool is full are not looked at: it is the end of another run that makes room for them.
        """
        ...

    async def signal(self, run_id: str, name: str, payload: bytes, *, now: int) -> RunRecord:
        """Store a signal and queue the run if it waits. Raises UnknownRun; RunConflict when the run has ended."""
        ...

    async def signals(self, run: int, *, after: int = 0) -> Sequence[Signal]:
        """The signals of a run with an id above `after`, oldest first."""
        ...

    async def signals_after(self, after: int, runs: Collection[int]) -> Sequence[Signal]:
        """New signals for any of these runs, oldest first: one query for a whole node."""
        ...

    async def cancel(self, run_id: str, reason: str, *, now: int) -> RunRecord:
        """Ask for cancellation, and say what became of the run.

        A QUEUED run that has never started and a DIVERGED one are CANCELLED at once. A WAITING one is QUEUED with
        the request noted, so that its code sees the cancellation; so does a RUNNING one's owner. One that has
        ended stays as it is. Raises UnknownRun. Children are left to the owner.
        """
        ...

    async def cancelled(self, runs: Collection[int]) -> Sequence[tuple[int, str]]:
        """Which of these runs somebody asked to cancel, and why."""
        ...

    async def requeue(self, run_id: str, *, now: int) -> RunRecord:
        """Queue a DIVERGED run again. Raises UnknownRun, RunConflict when it is in another state."""
        ...

    async def copy_journal(self, source: int, target: int, keys: Collection[str], *, now: int) -> None:
        """Give a run that has not started the lines of another with these keys, and make it due.

        It is how a rerun keeps results. Until then the run should be created with a `due` far away, so
        that no node starts it without its lines.
        """

    async def children(self, run: int) -> Sequence[RunRecord]:
        """The runs started by this one."""
        ...

    def changed(self) -> bool:
        """True when runs, signals, cancel requests or ends may have been written that the last call did not know of.

        This is the truth a node lives by: whatever others write makes some later call say True, whether or not a
        hint of it arrived. Over a network that takes up to a quarter of a second. It costs microseconds, asks no
        server, may say True in vain, and forgets what it told: one caller a store.
        """
        ...

    def on_change(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` on the loop's thread when the store hears of a change; answers what ends that.

        Only a hint, which saves waiting for the next poll: it may be late, come in vain, come once for many changes,
        or never, as on a store that has no means to tell. `changed` says so all the same.
        """
        ...
