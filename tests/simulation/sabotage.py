"""Sabotages: ways to break the engine, and for each the law that is to notice, within how many schedules."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from engine.core import replay
from engine.model.entry import Entry
from engine.model.run import RunRecord, RunState
from engine.runtime.inbox import Inbox
from engine.runtime.node import Node
from engine.runtime.recording import Recording
from engine.runtime.session import Session
from engine.runtime.slots import Slots
from engine.stores.memory import MemoryStore
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

    async def look(_: Node) -> None:
        """Nothing is seen."""

    patch.setattr(Node, "look", look)


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
        return replace(record, state=RunState.RUNNING) if not fields else record

    async def leave(store: MemoryStore, node: str) -> None:
        store._forget(node)

    patch.setattr(MemoryStore, "_queue", queued)
    patch.setattr(MemoryStore, "leave", leave)


ENDS: Final = "acknowledged runs end, and rightly"

SABOTAGES: Final = (
    Sabotage("the store checks no epoch", "old epochs write nothing", 1000, no_epochs),
    Sabotage("a claim does not raise the epoch", "one owner at a time", 100, same_epoch),
    Sabotage("a slot is not given back", "nothing is left behind", 100, kept_slot),
    Sabotage("a slot is taken again while it goes back", "a pool is never overdrawn", 2000, hasty_slot),
    Sabotage("a node does not look at the store", ENDS, 200, deaf),
    Sabotage("a signal is lost when a run leaves memory", ENDS, 2000, lost_wake),
    Sabotage("a signal is lost behind another", ENDS, 500, two_signals_in_one),
    Sabotage("nobody takes over from the dead", ENDS, 100, no_rescue),
    Sabotage("results are replayed in another order", ENDS, 200, out_of_order),
    Sabotage("a journal's last line is overlooked", "a recorded step never runs again", 200, forgetful),
    Sabotage(
        "results are seen before they are on disk", "a step starts when the one before is recorded", 200, too_early
    ),
    Sabotage("an attempt is not announced", "what asks first is not repeated blindly", 500, unannounced),
    Sabotage("lines are written behind lost ones", "a journal has no holes", 2000, holes),
    Sabotage("a parent does not wait for its cancelled child", "a parent outlives its children", 200, hurried_end),
    Sabotage("a node that leaves keeps its runs", ENDS, 200, leaving_kept),
)


def found(sabotage: Sabotage) -> tuple[int, Finding] | None:
    """After how many schedules the law was found broken; the sabotage has been applied."""
    for seed in range(sabotage.within):
        for finding in play(seed).findings:
            if finding.law == sabotage.law:
                return seed + 1, finding
    return None
