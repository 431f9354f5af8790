"""Nodes that carry runs on wrongly, each in a way of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from engine.core import replay
from engine.core.failure import describe, encode
from engine.model import entry as kinds
from engine.model.entry import Entry
from engine.model.errors import StoreError, UnknownOutcome
from engine.model.run import RunRecord
from engine.runtime import performing
from engine.runtime.claims import Claims
from engine.runtime.hosting import Hosting, blob_name
from engine.runtime.inbox import Inbox
from engine.runtime.news import News
from engine.runtime.recording import Recording
from engine.runtime.session import Session
from engine.runtime.slots import Slots
from engine.runtime.step import Step
from tests.simulation.broken_store import Patch


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


def careless(patch: Patch) -> None:
    """A node that may have been declared dead acts for its runs all the same."""

    async def assured(_: Recording) -> None:
        """Nobody is asked."""

    patch.setattr(Recording, "assured", assured)


def told_of_fatal(patch: Patch) -> None:
    """A run that was to fail is told that an outcome is unknown, and goes on."""

    async def told(one: Step) -> performing.Outcome:
        record = encode(describe(UnknownOutcome("it is not known what came of it")))
        return one.final(kinds.ERROR, record, one.session.host.clock.now()), None, b""

    patch.setattr(performing, "_unknown", told)


def doubtful(patch: Patch) -> None:
    """An attempt that has a place in a rate counts as one that has begun."""

    def begun(history: replay.History, attempt: int) -> bool:
        return any(line is not None and line.attempt == attempt for line in (history.started, history.wait))

    patch.setattr(replay.History, "begun", begun)
