"""What a run recalls: the record of each step, when the flow may see it, and whether it tells the same story."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final

from engine.context import RunScope
from engine.core.replay import History
from engine.flow import Flow
from engine.model import entry as kinds
from engine.model import trace
from engine.model.entry import Entry
from engine.model.run import RunRecord
from engine.model.trace import in_part
from engine.runtime.host import Host
from engine.runtime.inbox import Inbox
from engine.runtime.recording import ARGS_SHOWN, Closing, Recording
from engine.runtime.remembered import Remembered

REPLAYED: Final = 1_000
"""Recorded steps that one lone chain may take before the loop turns: some 5 ms."""


class Recalling(Recording):
    """A recording that goes on from the journal of an earlier stay in memory."""

    def __init__(self, host: Host, record: RunRecord, flow: Flow[..., Any], journal: Sequence[Entry]) -> None:
        super().__init__(host, record, journal)
        self.of: Final = flow
        self.begun: Final = any(line.epoch and line.key != kinds.START_KEY for line in journal)
        self.remembered: Final = Remembered()
        self.inbox: Final = Inbox(self.replay.taken_signals if self.replay else {})

    def idempotency_key(self, key: str) -> str:
        """32 hex digits, the same for every attempt of a step of this run."""
        return blake2b(f"{self.record.id}|{self.record.trace}|{key}".encode(), digest_size=16).hexdigest()

    async def recall(self, key: str, name: str, text: str, scope: RunScope) -> Entry | None:
        """`recorded`, then `admit`: for what ends the moment it is cancelled, live and on replay alike."""
        line = await self.recorded(key, scope)
        return line if line is not None else await self.admit(key, name, text, scope)

    def due(self, key: str, scope: RunScope, me: asyncio.Task[Any] | None) -> Entry | None:
        """The record of a step that may be seen at once, since the flow is one lone step; else None: use `recorded`."""
        replay = self.replay
        if replay is None or scope.body is not None:
            return None
        line = replay.record(key)
        if line is None or line.outcome == kinds.CANCELLED or line.seq % REPLAYED == 0:
            return None
        if not self.delivery.due(key, me):
            return None
        replay.took(line)
        return line

    async def recorded(self, key: str, scope: RunScope) -> Entry | None:
        """The record of a step, when the flow may see it; None when there is none.

        A step that was cancelled stays pending until its caller cancels it again, and ends in its turn.
        """
        replay = self.replay
        if replay is None:
            return None
        line = replay.take(key)
        if scope.body is not None:
            return line if line is not None and line.outcome != kinds.CANCELLED else None
        if line is None:
            return None
        if line.outcome == kinds.CANCELLED:
            try:
                await self._pending_for_ever(key)
            except asyncio.CancelledError:
                if self.closing is None:
                    await self._cancelled_again(key, line)
                raise
        try:
            await self._turn(line, scope)
        except asyncio.CancelledError:
            received = line.kind == kinds.SIGNAL and self.inbox.received(line.attempt)
            if received and self.closing is None and replay.give_back(line):
                self.inbox.give_back_received(line.attempt)
            raise
        return line

    async def _turn(self, line: Entry, scope: RunScope) -> None:
        """Return when the flow may see a record."""
        key = line.key
        if key in self.delivery.late:
            await self.settle(self._moved(key, line), scope, asyncio.current_task())
            return
        turn = self.delivery.turn(key, asyncio.current_task())
        if turn is not None:
            try:
                await turn
            except asyncio.CancelledError:
                self.delivery.withdraw(key)
                raise
        elif line.seq % REPLAYED == 0:
            await asyncio.sleep(0)

    async def _cancelled_again(self, key: str, line: Entry) -> None:
        if key in self.delivery.late:
            await self.call_off(lambda: self._moved(key, line))
        elif (turn := self.delivery.turn(key, asyncio.current_task())) is not None:
            await self.outwait(turn)

    def _moved(self, key: str, line: Entry) -> Entry:
        self.delivery.late.discard(key)
        return line._replace(
            seq=self.next_seq(), group=self.group, kind=kinds.MOVED, value=b"null", blob=None, epoch=self.epoch
        )

    async def admit(self, key: str, name: str, text: str, scope: RunScope) -> Entry | None:
        """Return None when a step without a record may begin as new work.

        Raises CancelledError after it has found that this run tells another story than its journal.
        """
        replay = self.replay
        if replay is None or scope.body is not None:
            return None
        if self.delivery.replaying:
            await self.delivery.newcomer(key)
        found = replay.diverges(key=key, name=name, args=text[:ARGS_SHOWN])
        if found is None:
            if self.host.effects_forbidden:
                self.host.frontier()
                await self._pending_for_ever(key)
            return None
        match self.of.options.on_divergence:
            case "rerun":
                return None
            case "reuse" if len(found.recorded) == 1:
                return replay.take(found.recorded[0].key)
            case _:  # several records could be meant, and none may be taken for another
                self.close(Closing.DIVERGED, found)
                raise asyncio.CancelledError("diverged")

    async def _pending_for_ever(self, key: str) -> None:
        """A step that was cancelled stays pending until its caller cancels it again."""
        future: asyncio.Future[None] = self.loop.create_future()
        self.waits[future] = None
        try:
            await future
        finally:
            self.waits.pop(future, None)

    def placed(self, key: str, span: int, scope: RunScope) -> int:
        """The span id of a step that is performed now: the run's later steps belong to later parts of its trace."""
        if (known := self.history(key)) is not None:
            return known.span
        return span if scope.body is not None or self.seq < trace.PART else in_part(span, self.seq // trace.PART)

    def history(self, key: str) -> History | None:
        """Failed attempts, a started one, or the end of a wait, from before this process."""
        return self.replay.history.get(key) if self.replay else None
