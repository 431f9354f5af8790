"""Sabotages: ways to break the engine, and for each the law that is to notice, within how many schedules."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from engine import admission, client
from engine.core import replay
from engine.model.entry import Entry
from engine.model.errors import StoreError
from engine.model.limits import Rate, Takes
from engine.model.run import NewRun, RunRecord, RunState
from engine.runtime import childruns, duty, pacing
from engine.runtime.claims import Claims
from engine.runtime.hosting import Hosting, blob_name
from engine.runtime.inbox import Inbox
from engine.runtime.news import News
from engine.runtime.recording import Recording
from engine.runtime.session import Session
from engine.runtime.slots import Slots
from engine.stores.memory import MemoryStore
from tests.simulation import witness
from tests.simulation.checker import Finding
from tests.simulation.playing import play


class Patch(Protocol):
    """What pytest's `monkeypatch` does."""

    def setattr(self, target: Any, name: str, value: Any, raising: bool = True) -> None: ...


@dataclass(frozen=True)
class Sabotage:
    """`law` is the one that has to be found broken within so many schedules."""

    name: str
    law: str
    within: int
    apply: Callable[[Patch], None]


def no_epochs(patch: Patch) -> None:
    """The store takes lines from anybody."""

    def holds(*_: object) -> bool:
        return True

    patch.setattr(MemoryStore, "_holds", holds)


def same_epoch(patch: Patch) -> None:
    """A claim does not raise the epoch."""
    claim = MemoryStore._claim

    def claimed(store: MemoryStore, num: int, node: str, now: int) -> RunRecord:
        epoch = store._rows[num].record.epoch
        run = claim(store, num, node, now)
        return store._update(num, epoch=max(1, epoch)) if epoch else run

    patch.setattr(MemoryStore, "_claim", claimed)


def kept_slot(patch: Patch) -> None:
    """A slot is not given back."""

    async def kept(*_: object) -> None:
        """Nothing is done."""

    patch.setattr(Slots, "release", kept)


def hasty_slot(patch: Patch) -> None:
    """The same holder asks for a slot again while it is being given back."""
    acquire = Slots.acquire

    async def asked(slots: Slots, *asked: Any) -> None:
        slots._returning.clear()
        await acquire(slots, *asked)

    patch.setattr(Slots, "acquire", asked)


def deaf(patch: Patch) -> None:
    """A node does not look for what others wrote."""

    async def look(_: News) -> None:
        """Nothing is seen."""

    patch.setattr(News, "look", look)


def lost_wake(patch: Patch) -> None:
    """A run that is leaving memory counts signals as seen that came too late for it."""

    def seen(session: Session) -> int:
        return session.inbox.seen

    def forget(*_: object) -> None:
        """What was seen when the run began to leave does not count."""

    patch.setattr(Session, "parked_seen", property(seen, forget), raising=False)


def no_rescue(patch: Patch) -> None:
    """Nobody takes over from the dead."""

    async def rescue(*_: object, **__: object) -> Sequence[RunRecord]:
        return ()

    patch.setattr(MemoryStore, "rescue", rescue)


def out_of_order(patch: Patch) -> None:
    """After a crash results are handed over in another order."""
    in_order = replay._in_order

    def turned(groups: dict[int, list[str]], moved: dict[str, int]) -> list[list[str]]:
        return [keys[::-1] for keys in in_order(groups, moved)][::-1]

    patch.setattr(replay, "_in_order", turned)


def forgetful(patch: Patch) -> None:
    """After a crash the last line of the journal is overlooked."""
    made = replay.Replay.__init__

    def made_of_less(self: replay.Replay, journal: Sequence[Entry]) -> None:
        made(self, journal[:-1])

    patch.setattr(replay.Replay, "__init__", made_of_less)


def too_early(patch: Patch) -> None:
    """A result reaches the flow before it is on disk."""

    async def settle(recording: Recording, line: Any, scope: Any, me: Any) -> None:
        recording.add(line)
        await asyncio.sleep(0)

    patch.setattr(Recording, "settle", settle)


def holes(patch: Patch) -> None:
    """What gathered behind lost lines is written."""

    def lose(_: Recording) -> None:
        """Nothing is thrown away."""

    patch.setattr(Recording, "_lose", lose)


def unannounced(patch: Patch) -> None:
    """Nothing is written before an effect that must not be repeated blindly."""

    def note(*_: object) -> None:
        """Nothing is noted."""

    patch.setattr(Recording, "note_started", note)


def two_signals_in_one(patch: Patch) -> None:
    """A signal is forgotten when another one is there already."""
    put = Inbox.put

    def dropped(inbox: Inbox, signal: Any) -> None:
        if inbox._stock.get(signal.name):
            inbox.seen = signal.id
        else:
            put(inbox, signal)

    patch.setattr(Inbox, "put", dropped)


def hurried_end(patch: Patch) -> None:
    """A cancelled parent does not wait for its child."""

    async def outwait(*_: object) -> None:
        """Nothing is waited for."""

    patch.setattr(Recording, "outwait", outwait)


def leaving_kept(patch: Patch) -> None:
    """A node that stops keeps its runs to itself."""
    queue = MemoryStore._queue

    def queued(store: MemoryStore, num: int, **fields: Any) -> RunRecord:
        record = queue(store, num, **fields)
        return record._replace(state=RunState.RUNNING) if not fields else record

    async def leave(store: MemoryStore, node: str) -> None:
        store._forget(node)

    patch.setattr(MemoryStore, "_queue", queued)
    patch.setattr(MemoryStore, "leave", leave)


def no_turns(patch: Patch) -> None:
    """Nobody waits for the one before in a lane."""

    def in_lane(*_: object) -> list[RunRecord]:
        return []

    patch.setattr(MemoryStore, "_in_lane", in_lane)


def first_of_all(patch: Patch) -> None:
    """The next one in a lane is the one that was started last."""
    in_lane = MemoryStore._in_lane

    def turned(store: MemoryStore, lane: str | None) -> list[RunRecord]:
        return in_lane(store, lane)[::-1]

    patch.setattr(MemoryStore, "_in_lane", turned)


def children_anywhere(patch: Patch) -> None:
    """A child run goes without its lane."""
    made = admission.admitted

    def admitted(*args: Any, **kwargs: Any) -> NewRun:
        return made(*args, **kwargs)._replace(lane=None)

    patch.setattr(childruns, "admitted", admitted)


def every_start(patch: Patch) -> None:
    """A singleton that skips is one that queues."""
    made = admission.admitted

    def admitted(*args: Any, **kwargs: Any) -> NewRun:
        new = made(*args, **kwargs)
        return new._replace(occupied="queue") if new.occupied == "skip" else new

    patch.setattr(client, "admitted", admitted)


def nobody_replaced(patch: Patch) -> None:
    """A run that is to be replaced goes on."""
    made = admission.admitted

    def admitted(*args: Any, **kwargs: Any) -> NewRun:
        new = made(*args, **kwargs)
        return new._replace(occupied="queue") if new.occupied == "replace" else new

    patch.setattr(client, "admitted", admitted)


def no_pools(patch: Patch) -> None:
    """A node does not tell the store which pools its flows have."""
    made = duty.takes_of

    def takes_of(*args: Any, **kwargs: Any) -> Takes:
        return replace(made(*args, **kwargs), pools={})

    patch.setattr(duty, "takes_of", takes_of)


def every_queue(patch: Patch) -> None:
    """A node takes runs of any queue."""
    made = duty.takes_of

    def takes_of(*args: Any, **kwargs: Any) -> Takes:
        return replace(made(*args, **kwargs), queues=None)

    patch.setattr(duty, "takes_of", takes_of)


def oldest_first(patch: Patch) -> None:
    """Priorities are forgotten."""

    def rank(*, since: int, priority: int) -> int:
        return since

    patch.setattr(admission, "rank", rank)


def no_patience(patch: Patch) -> None:
    """A step starts without waiting for its place."""

    async def until(*_: object) -> None:
        """Nothing is waited for."""

    patch.setattr(pacing, "until", until)


def all_together(patch: Patch) -> None:
    """Who comes back long after its place starts all the same."""
    patch.setattr(pacing, "HALF", 10**11)


def wide_burst(patch: Patch) -> None:
    """What may come at once is not counted."""
    patch.setattr(Rate, "interval", property(lambda rate: int(rate.per.total_seconds() * 1e9) // rate.limit))


def children_at_once(patch: Patch) -> None:
    """A child run of a flow with a rate is due at once."""

    async def in_time(_: object, new: NewRun, __: object) -> NewRun:
        return new

    patch.setattr(childruns, "_in_time", in_time)


def begun_at_once(patch: Patch) -> None:
    """A run of a flow with a rate begins as soon as it is taken up."""

    async def begun(_: object) -> None:
        """Nobody is asked."""

    patch.setattr(pacing, "begun", begun)


def unkept(patch: Patch) -> None:
    """Nobody hears of it when a large result could not be kept."""
    keep = Hosting.keep

    async def kept(node: Hosting, run_id: str, key: str, data: bytes) -> tuple[bytes, str | None]:
        try:
            return await keep(node, run_id, key, data)
        except StoreError:
            return b"null", blob_name(run_id, key, data)

    patch.setattr(Hosting, "keep", kept)


def told_once(patch: Patch) -> None:
    """A step that is cancelled twice stops asking its child to end."""

    async def outwait(recording: Recording, future: asyncio.Future[Any]) -> None:
        await asyncio.shield(future)

    patch.setattr(Recording, "outwait", outwait)


def in_the_way(patch: Patch) -> None:
    """A run that waits for its child keeps its place to itself."""

    async def none(_: Claims) -> Sequence[RunRecord]:
        return ()

    patch.setattr(Claims, "_claim_children", none)


ENDS: Final = "acknowledged runs end, and rightly"

SABOTAGES: Final = (
    Sabotage("the store checks no epoch", "old epochs write nothing", 1000, no_epochs),
    Sabotage("a claim does not raise the epoch", "one owner at a time", 100, same_epoch),
    Sabotage("a slot is not given back", "nothing is left behind", 100, kept_slot),
    Sabotage("a slot is taken again while it goes back", "a pool is never overdrawn", 2000, hasty_slot),
    Sabotage("a node does not look at the store", ENDS, 200, deaf),
    Sabotage("a signal is lost when a run leaves memory", ENDS, 4000, lost_wake),
    Sabotage("a signal is lost behind another", ENDS, 500, two_signals_in_one),
    Sabotage("nobody takes over from the dead", ENDS, 100, no_rescue),
    Sabotage("results are replayed in another order", ENDS, 1000, out_of_order),
    Sabotage("a journal's last line is overlooked", "a recorded step never runs again", 200, forgetful),
    Sabotage(
        "results are seen before they are on disk", "a step starts when the one before is recorded", 200, too_early
    ),
    Sabotage("an attempt is not announced", "what asks first is not repeated blindly", 2000, unannounced),
    Sabotage("lines are written behind lost ones", "a journal has no holes", 2000, holes),
    Sabotage("a parent does not wait for its cancelled child", "a parent outlives its children", 200, hurried_end),
    Sabotage("a node that leaves keeps its runs", ENDS, 200, leaving_kept),
    Sabotage("nobody waits for the one before in a lane", witness.TURNS, 200, no_turns),
    Sabotage("the last one of a lane is the next", witness.TURNS, 200, first_of_all),
    Sabotage("a child goes without its lane", "a run waits where it was put", 200, children_anywhere),
    Sabotage("a singleton that skips makes every run", witness.SKIPPED, 200, every_start),
    Sabotage("a run that is to be replaced goes on", witness.REPLACED, 200, nobody_replaced),
    Sabotage("a flow's pool is not told", witness.POOLS, 500, no_pools),
    Sabotage("a node takes runs of any queue", witness.DUTY, 200, every_queue),
    Sabotage("priorities are forgotten", witness.URGENT, 500, oldest_first),
    Sabotage("a step does not wait for its place", "a rate is kept", 200, no_patience),
    Sabotage("who is late starts with the others", "a rate is kept", 1000, all_together),
    Sabotage("what comes at once is not counted", "a rate has room for its places", 500, wide_burst),
    Sabotage("a child of a rate is due at once", "a run with a rate starts at its place", 500, children_at_once),
    Sabotage("a run of a rate begins when it is taken up", "a run with a rate begins at its place", 200, begun_at_once),
    Sabotage("a large result that is lost is not missed", witness.BLOBS, 1000, unkept),
    Sabotage("a parent is in its child's way", ENDS, 500, in_the_way),
    Sabotage("cancelled twice, a step forgets its child", "a parent outlives its children", 2000, told_once),
)


def found(sabotage: Sabotage) -> tuple[int, Finding] | None:
    """After how many schedules the law was found broken; the sabotage has been applied."""
    for seed in range(sabotage.within):
        for finding in play(seed).findings:
            if finding.law == sabotage.law:
                return seed + 1, finding
    return None
