"""Delivery: when recorded results reach the flow, so that live and replay cannot be told apart.

Results reach a flow in groups: what one commit made durable, or, on replay, what one commit had made durable. A group
is handed over only when the flow has come to rest, that is when none of its asyncio tasks can move by itself. Between
two deliveries a flow is a deterministic program, because asyncio's ready queue is first in, first out; with groups,
their inner order and the state they meet fixed, every race has the winner it had.

Rest is seen from outside: no task of the flow is runnable during `QUIET` passes of the loop. More than one pass is
needed because a chain of callbacks (a task ends, its gather ends, the gather around that ends) moves one link a pass
while no task is runnable. A flow that only awaits one step at a time is at rest whenever it awaits, and pays nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from engine.core.replay import Replay
from engine.runtime.futures import awaited_by

QUIET: Final = 8
"""Passes without a runnable task. Covers six gathers nested without a task in between, which no program needs."""

RESTLESS: Final = 2_000
"""Passes after which a flow that polls (`while ...: await asyncio.sleep(0)`) is served all the same."""

GRACE: Final = 10.0
"""Seconds that replay waits for a recorded step to be asked for while the flow waits for something that is not
ours, a plain `asyncio.sleep` for example."""


class Delivery:
    """Hands groups to one flow. Lives on the loop's thread."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, replay: Replay | None, *, only_ours: Callable[[], bool]
    ) -> None:
        self._loop = loop
        self._to_replay: deque[list[str]] = deque() if replay is None else replay.groups
        self._only_ours = only_ours
        self.tasks: set[asyncio.Task[object]] = set()
        self.inside: set[asyncio.Task[object] | None] = set()
        self.asked = 0
        self.unstarted = 0
        self._groups: deque[Callable[[], None]] = deque()
        self._turns: dict[str, asyncio.Future[None]] = {}
        self._reactions: dict[str, Callable[[], None]] = {}
        self._withdrawn: set[str] = set()
        self.late: set[str] = set()
        self._newcomers: deque[tuple[asyncio.Future[None], str]] = deque()
        self._passing = False
        self._quiet = 0
        self._restless = 0
        self._grace: asyncio.TimerHandle | None = None
        self._closed = False
        self._at_rest = False
        self.on_open: list[Callable[[], None]] = []

    @property
    def replaying(self) -> bool:
        """True until every recorded group has been delivered or passed over."""
        return bool(self._to_replay)

    @property
    def pending(self) -> bool:
        """True while something waits to be delivered."""
        return bool(self._groups or self._newcomers or self._turns or self.replaying)

    def asks(self, me: asyncio.Task[object] | None) -> None:
        """The flow begins to ask for a step, in a task of its own or in one that `gather` made for it."""
        self.asked += 1
        if self.unstarted and me not in self.tasks:
            self.unstarted -= 1

    def answered(self) -> None:
        """A step has ended, however it ended."""
        self.asked -= 1

    def lone(self, me: asyncio.Task[object] | None) -> bool:
        """True when the flow is one asyncio task, awaiting one step: it is at rest by definition."""
        return (
            self.asked == 1
            and self.unstarted == 0
            and len(self.tasks) == 1
            and me in self.tasks
            and not self._groups
            and not self._newcomers
        )

    def committed(self, deliver: Callable[[], None]) -> None:
        """A group is on disk; call `deliver` when the flow is at rest and the groups before it have been."""
        self._groups.append(deliver)
        self.stir()

    def due(self, key: str, me: asyncio.Task[object] | None) -> bool:
        """True, and delivered, when a recorded step is next and its flow is one lone step."""
        groups = self._to_replay
        if not groups:
            return False
        group = groups[0]
        if len(group) != 1 or group[0] != key or not self.lone(me):
            return False
        groups.popleft()
        if not groups:
            self._opened()
        return True

    def turn(self, key: str, me: asyncio.Task[object] | None) -> asyncio.Future[None] | None:
        """Ask for a recorded step: None when it is due now, else a future that is done when it is."""
        if self.due(key, me):
            return None
        future = self._loop.create_future()
        self._turns[key] = future
        self.stir()
        return future

    def withdraw(self, key: str) -> None:
        """The flow cancelled what it had asked for: its group need not wait for it."""
        self._turns.pop(key, None)
        self._withdrawn.add(key)
        self.stir()

    def expect(self, key: str, react: Callable[[], None]) -> None:
        """Call `react` in place of a step's turn: for deadlines and cancellation, which nobody awaits."""
        self._reactions[key] = react
        self.stir()

    def forget(self, key: str) -> None:
        """The block that a reaction was for has ended."""
        if self._reactions.pop(key, None) is not None:
            self._withdrawn.add(key)
            self.stir()

    def is_turn(self, future: object) -> bool:
        """True for a future by which the flow waits for its own recorded results."""
        return future in self._turns.values() or any(future is waiting for waiting, _ in self._newcomers)

    def newcomer(self, key: str) -> asyncio.Future[None]:
        """A step without a record: done when it may be looked at as new work, that is when replay has come to rest."""
        future = self._loop.create_future()
        self._newcomers.append((future, key))
        self.stir()
        return future

    def stir(self) -> None:
        """Something changed: look for rest again."""
        self._at_rest = False
        self._quiet = 0
        self._again()

    async def rest(self) -> None:
        """Return when nothing is left to be delivered and no task of the flow can move by itself."""
        quiet = passes = 0
        while quiet < QUIET and passes < RESTLESS:
            await asyncio.sleep(0)
            passes += 1
            quiet = 0 if self.pending or self._stirring() else quiet + 1

    def close(self) -> None:
        """Deliver nothing any more."""
        self._groups.clear()
        self._turns.clear()
        self._newcomers.clear()
        self._reactions.clear()
        self._closed = True  # what is left of the record is not handed to anybody, and no timer waits for it
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None

    def _again(self) -> None:
        if not self._passing:
            self._passing = True
            self._loop.call_soon(self._pass)

    def _pass(self) -> None:
        self._passing = False
        if self._closed or (not self.pending and not self._reactions):
            return
        if self._stirring():
            self._quiet = 0
            self._restless += 1
            if self._restless < RESTLESS:
                self._again()
                return
        else:
            self._quiet += 1
            if self._quiet < QUIET:
                self._again()
                return
        self._restless = 0
        self._quiet = 0
        self._rest()

    def _stirring(self) -> bool:
        inside = self.inside
        for task in self.tasks:
            if task in inside:
                continue
            waiter = awaited_by(task)
            if (waiter is None or waiter.done()) and not task.done():
                return True
        return False

    def _rest(self) -> None:
        """The flow is at rest: give it the next thing, if there is one."""
        self._at_rest = True
        if self.replaying:
            self._replay_group()
        elif self._groups:
            self._groups.popleft()()
            self._again()
        elif self._newcomers:
            self._admit()

    def _replay_group(self) -> None:
        group = self._to_replay[0]
        missing = [key for key in group if not (key in self._turns or key in self._reactions or key in self._withdrawn)]
        if missing and not self._only_ours() and self._grace is None:
            self._grace = self._loop.call_later(GRACE, self._pass_over)
        if missing and self._grace is not None:
            return
        if missing and self._newcomers:
            # Nothing but the engine can move this flow, and it asks for work that is not in the group: let the
            # newcomers be judged first, since an unasked record may be what one of them has become.
            self._stray()
            return
        self._hand_over(group)

    def _pass_over(self) -> None:
        self._grace = None
        if self.replaying:
            if self._newcomers:
                self._stray()
            else:
                self._hand_over(self._to_replay[0])

    def _stray(self) -> None:
        """The flow leaves the recorded order: from here on it gets what it asks for when it asks for it.

        What was recorded and is asked for later is delivered then, and its new place is recorded. Newcomers are
        judged when the flow has come to rest again: what it was just handed may make it ask for more of the record.
        """
        while self.replaying:
            self._hand_over(self._to_replay[0])

    def _hand_over(self, group: list[str]) -> None:
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None
        self._to_replay.popleft()
        for key in group:
            future = self._turns.pop(key, None)
            if future is not None and not future.done():
                future.set_result(None)
            elif (react := self._reactions.pop(key, None)) is not None:
                react()
            elif key not in self._withdrawn:
                self.late.add(key)
        self._opened()
        self._again()

    def _admit(self) -> None:
        """Let newcomers look, all at once, in the order in which they asked."""
        newcomers, self._newcomers = self._newcomers, deque()
        for future, _ in newcomers:
            if not future.done():
                future.set_result(None)
        self._again()

    def _opened(self) -> None:
        """When the last group is out, what only a live flow has (timers, signals, cancel requests) may begin."""
        if not self._to_replay:
            waiting, self.on_open = self.on_open, []
            for begin in waiting:
                self._loop.call_soon(begin)
