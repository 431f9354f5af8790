"""Pacing: an attempt waits until the rate of its task lets it start, durably, so that its run may leave memory."""

from __future__ import annotations

import asyncio
import inspect
import json
from typing import Final

from engine.core.keys import key_text
from engine.model import entry as kinds
from engine.model.limits import Rate
from engine.runtime.futures import waker
from engine.runtime.recalling import Recalling
from engine.runtime.step import Step

LATE: Final = 10**9
"""Nanoseconds after its place in which a start may come. A run that comes back later, with others, must not start with
them.
"""

HALF: Final = LATE // 2
"""Of those, what may pass until the answer that gives a place is here: it may be as old as the question. As much may
pass between the place, counted from the answer, and the start.
"""


async def until(session: Recalling, when: int) -> None:
    """Wait for a time that is on record; the run may leave memory meanwhile."""
    if when <= session.host.clock.now():
        return
    future: asyncio.Future[None] = session.loop.create_future()
    timer = session.host.clock.call_at(when, waker(future))
    session.waits[future] = when
    session.performing -= 1
    session.host.may_park(session.num)
    try:
        await future
    finally:
        session.performing += 1
        timer.cancel()
        session.waits.pop(future, None)


async def paced(one: Step, rate: Rate, place: int | None = None) -> int:
    """Return when the attempt may start; answers the time of its place, which `place` may give again.

    A place that was reserved before this process, and not used, is kept. Raises UsageError, NotKeyable for a key
    that cannot be made. Cancelled, the place is not handed on.
    """
    session = one.session
    clock = session.host.clock
    name = _name(one, rate)
    if name is None:
        return clock.now()
    if place is None:
        place = _kept(one)
    while True:
        if place is not None:
            await until(session, place)
            if clock.now() - place <= HALF:
                return place
        asked = clock.now()
        delay = await session.stored(session.host.reserve(name, interval=rate.interval, burst=rate.at_once))
        now = clock.now()
        if now - asked > HALF:
            place = None
            continue
        if not delay:
            return now
        place = now + delay
        _record(one, place)


def _name(one: Step, rate: Rate) -> str | None:
    if rate.key is None:
        return rate.name
    bound = inspect.signature(one.task.fn).bind(*one.args, **one.kwargs)
    bound.apply_defaults()
    text = key_text(rate.key, bound.arguments, f"task {one.task.name}, rate=")
    return None if text is None else f"{rate.name}:{text}"


def _kept(one: Step) -> int | None:
    """The place that this very attempt was given, if it has not begun since."""
    history = one.session.history(one.key)
    if history is None or history.wait is None or history.wait.attempt != one.attempt:
        return None
    begun = history.started is not None and history.started.seq > history.wait.seq
    return None if begun else int(json.loads(history.wait.value))


def _record(one: Step, place: int) -> None:
    session = one.session
    session.make_room()
    at = session.host.clock.now()
    session.add(
        one.line(
            kinds.WAIT, kinds.PENDING, str(place).encode(), at=at, started=at, span=one.span, parent=one.scope.span
        )
    )
