"""Waiting that is a row: sleeps and signals."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import Any, cast

from engine.context import CURRENT, RunScope
from engine.core.codec import Codec
from engine.core.failure import decode, describe, encode, rebuild
from engine.model import entry as kinds
from engine.model.errors import NotStorable, ParameterError
from engine.model.run import Signal
from engine.runtime.asking import Asking
from engine.runtime.futures import waker
from engine.runtime.recalling import Recalling
from engine.runtime.scoping import STEP_CODES


async def sleep(
    session: Recalling, scope: RunScope, key: str, span: int, text: str, delay: timedelta | None, until: datetime | None
) -> None:
    """A durable sleep: its end is recorded when it begins, its being over when it is."""
    with Asking(session, scope):
        if await session.recall(key, "sleep", text, scope) is not None:
            return
        began, when, span = window(session, key, "sleep", text, span, scope, delay, until)
        if when > session.host.clock.now():
            await _timer(session, when)
        at = session.host.clock.now()
        await session.settle(
            session.line(kinds.SLEEP, key, "sleep", text, began, at, span, scope.span, kinds.OK, b"null"),
            scope,
            asyncio.current_task(),
        )


async def signal(
    session: Recalling, scope: RunScope, key: str, span: int, name: str, declared: Any, limit: timedelta | None
) -> Any:
    """Wait for a signal. Raises TimeoutError; ParameterError when the payload does not fit the declared type."""
    text = f"signal={json.dumps(name)}"
    codec = _codec_of(name, declared)
    with Asking(session, scope):
        line = await session.recall(key, "wait_for", text, scope)
        if line is None:
            began, when, span = window(session, key, "wait_for", text, span, scope, limit, None)
            got = await _receive(session, name, when if limit is not None else None)
            at = session.host.clock.now()
            if got is None:
                error = TimeoutError(f"no signal {name!r} within {limit}")
                outcome, payload = kinds.ERROR, encode(describe(error))
            elif (misfit := _misfit(session, codec, got)) is not None:
                # The record of a failure: a rerun of what failed waits for the signal again.
                outcome, payload = kinds.ERROR, encode(describe(misfit))
            else:
                outcome, payload = kinds.OK, got.payload
            line = session.line(
                kinds.SIGNAL, key, "wait_for", text, began, at, span, scope.span, outcome, payload,
                attempt=0 if got is None else got.id,
            )  # fmt: skip
            try:
                await session.settle(line, scope, asyncio.current_task())
            except asyncio.CancelledError:
                if got is not None and session.closing is None:
                    session.inbox.give_back(got)
                raise
        if line.outcome == kinds.ERROR:
            raise rebuild(decode(line.value))
        return codec.decode(line.value)


def _misfit(session: Recalling, codec: Codec, signal: Signal) -> ParameterError | None:
    """What the flow gets in place of a payload that is not of the type it waits for."""
    try:
        codec.decode(signal.payload)
    except NotStorable as error:
        return ParameterError(f"run {session.record.id}: the payload of signal {signal.name!r} does not fit: {error}")
    return None


def _codec_of(name: str, declared: Any) -> Codec:
    """The codec of a payload, built once for a type: pydantic takes a millisecond or two for that."""
    try:
        return _kept_codec(name, declared)
    except TypeError:  # a type that cannot be hashed, as `Annotated[int, [...]]`
        return Codec(declared, f"signal {name!r}")


@lru_cache(256)
def _kept_codec(name: str, declared: Any) -> Codec:
    return Codec(declared, f"signal {name!r}")


async def _receive(session: Recalling, name: str, until: int | None) -> Signal | None:
    """The oldest signal of a name that nobody has received, or None when the time is over."""
    here = session.inbox.take(name)
    if here is not None:
        return here
    future: asyncio.Future[Signal] = session.loop.create_future()
    session.inbox.wait(name, future)
    session.waits[future] = until
    timer = None if until is None else session.host.clock.call_at(until, partial(_give_up, future))
    session.host.may_park(session.num)
    me = asyncio.current_task()
    before = me.cancelling() if me is not None else 0
    try:
        return await future
    except asyncio.CancelledError:
        if future.done() and not future.cancelled() and session.closing is None:
            session.inbox.give_back(future.result())
        if until is None or (me is not None and me.cancelling() > before) or session.host.clock.now() < until:
            raise
        return None
    finally:
        session.waits.pop(future, None)
        if timer is not None:
            timer.cancel()
        session.inbox.forget(name, future)


def _give_up(future: asyncio.Future[Signal]) -> None:
    future.cancel("timeout")


async def _timer(session: Recalling, when: int) -> None:
    future: asyncio.Future[None] = session.loop.create_future()
    timer = session.host.clock.call_at(when, waker(future))
    session.waits[future] = when
    session.host.may_park(session.num)
    try:
        await future
    finally:
        timer.cancel()
        session.waits.pop(future, None)


def window(
    session: Recalling,
    key: str,
    name: str,
    text: str,
    span: int,
    scope: RunScope,
    delay: timedelta | None,
    until: datetime | None,
) -> tuple[int, int, int]:
    """When a wait began, when it ends, and its span: from the journal if it began earlier, else recorded now."""
    history = session.history(key)
    if history is not None and history.wait is not None:
        return history.wait.started, int(json.loads(history.wait.value) or 0), history.wait.span
    session.make_room()
    span = session.placed(key, span, scope)
    began = session.host.clock.now()
    if until is not None:
        when = int(until.timestamp() * 1_000_000) * 1000
    elif delay is not None:
        when = began + int(delay / timedelta(microseconds=1)) * 1000
    else:
        when = 0
    session.add(
        session.line(kinds.WAIT, key, name, text, began, began, span, scope.span, kinds.PENDING, str(when).encode())
    )
    return began, when, span


STEP_CODES.update({sleep.__code__, signal.__code__})


async def plain_sleep(delay: timedelta | None, until: datetime | None) -> None:
    """A sleep inside a task: the task is what is recorded, so this one is not. By the engine's clock all the same."""
    session = session_here()
    if until is not None:
        when = int(until.timestamp() * 1_000_000) * 1000
    else:
        when = session.host.clock.now() + int((delay or timedelta(0)) / timedelta(microseconds=1)) * 1000
    await _timer(session, when)


def session_here() -> Recalling:
    scope = CURRENT.get()
    assert scope is not None
    return cast("Recalling", scope.session)
