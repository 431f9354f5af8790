"""Pacing: attempts and runs wait until their rate lets them start, durably, so that the run may leave memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import partial
from typing import Final

from engine.admission import rate_of
from engine.core.arguments import signature_of
from engine.core.keys import key_text
from engine.flow import Call
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


async def begun(session: Recalling) -> int | None:
    """Return when a run that was taken up may begin, at its flow's rate; answers the time of its place, if it has one.

    Raises UsageError, NotKeyable for a key that cannot be made. Cancelled, the place is not handed on.
    """
    if session.of.options.rate is None:
        return None
    history = session.history(kinds.START_KEY)
    known = None if history is None or history.wait is None else int(json.loads(history.wait.value))
    named = None if session.begun else rate_of(Call(session.of, session.record.params))
    if named is None:
        return known
    rate, name = named
    session.performing += 1
    try:
        record, again = partial(_record_start, session), known is not None
        return await _placed(session, rate, name, known, record, at_once_too=again)
    finally:
        session.performing -= 1


async def paced(one: Step, rate: Rate, place: int | None = None) -> int:
    """Return when the attempt may start; answers the time of its place, which `place` may give again.

    A place that was reserved before this process, and not used, is kept. Raises UsageError, NotKeyable for a key
    that cannot be made. Cancelled, the place is not handed on.
    """
    session = one.session
    name = _name(one, rate)
    if name is None:
        return session.host.clock.now() if place is None else place
    return await _placed(session, rate, name, _kept(one) if place is None else place, partial(_record, one))


async def _placed(
    session: Recalling,
    rate: Rate,
    name: str,
    place: int | None,
    record: Callable[[int], None],
    *,
    at_once_too: bool = False,
) -> int:
    """Wait for the next place of a rate, or for this one, if that is not long over; answers its time.

    A place in time to come is recorded, one that is now if asked for.
    """
    clock = session.host.clock
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
        place = now + delay
        if delay or at_once_too:
            record(place)
        if not delay:
            return place


def _record_start(session: Recalling, place: int) -> None:
    at, value, above = session.host.clock.now(), str(place).encode(), session.record.span
    session.add(session.line(kinds.WAIT, kinds.START_KEY, session.of.name, "", at, at, 0, above, kinds.PENDING, value))


def _name(one: Step, rate: Rate) -> str | None:
    if rate.key is None:
        return rate.name
    bound = signature_of(one.task.fn).bind(*one.args, **one.kwargs)
    bound.apply_defaults()
    text = key_text(rate.key, bound.arguments, f"task {one.task.name}, rate=")
    return None if text is None else f"{rate.name}:{text}"


def _kept(one: Step) -> int | None:
    """The place that this very attempt was given, if it has not begun since."""
    history = one.session.history(one.key)
    if history is None or history.wait is None or history.wait.attempt != one.attempt or history.begun(one.attempt):
        return None
    one.placed = one.attempt
    return int(json.loads(history.wait.value))


def _record(one: Step, place: int) -> None:
    session = one.session
    session.make_room()
    one.placed = one.attempt
    at = session.host.clock.now()
    session.add(
        one.line(
            kinds.WAIT, kinds.PENDING, str(place).encode(), at=at, started=at, span=one.span, parent=one.scope.span
        )
    )
