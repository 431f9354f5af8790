"""One step of a flow: replayed when the journal has it, performed when it has not."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar

from engine.context import Hook, RunScope
from engine.core.backoff import next_delay
from engine.core.failure import decode, describe, encode, rebuild
from engine.core.scopes import ATTEMPT_MARK, attempt_span, salt_of, unit_interval
from engine.model import entry as kinds
from engine.model import trace
from engine.model.entry import Entry
from engine.model.errors import UnknownOutcome
from engine.runtime import hooks
from engine.runtime.bodies import await_thread, body, context_of, threaded, timed
from engine.runtime.pacing import paced, until
from engine.runtime.recalling import Recalling
from engine.runtime.recording import Closing
from engine.runtime.remembered import LARGE
from engine.runtime.scoping import STEP_CODES
from engine.runtime.step import Step
from engine.task import Task

T = TypeVar("T")

_log = logging.getLogger("headrace.task")


async def step(
    session: Recalling,
    task: Task[..., T],
    scope: RunScope,
    key: str,
    span: int,
    text: str,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> Any:
    """What a task call awaits. Raises the task's own exception, live and on replay alike.

    Cancelling it cancels the body and waits for its end; the step is then recorded as cancelled, whatever the body
    made of it.
    """
    if session.closing is not None:
        raise asyncio.CancelledError(session.closing.value)
    delivery = session.delivery
    me = asyncio.current_task(session.loop)
    own = scope.body is None
    if own:
        delivery.asks(me)  # by hand what `Asking` does, which costs more
    try:
        replaying = session.replay is not None
        if replaying and (line := session.due(key, scope, me) or await session.recorded(key, scope)) is not None:
            if line.blob is not None or line.outcome == kinds.ERROR:
                return await _recorded(session, task, line, own=own)
            value = task.codec.decode(line.value)
            if own and len(line.value) >= LARGE:
                session.remembered.add(value, line.value)
            return value
        session.make_room()
        if replaying or session.seq >= trace.PART:
            span = session.placed(key, span, scope)
        one = Step(session, task, scope, key, span, text, args, kwargs, me)
        try:
            if replaying and (line := await session.admit(key, task.name, text, scope)) is not None:
                return await _recorded(session, task, line, own=own)
            session.performing += 1
            if own:
                delivery.inside.add(me)
            try:
                line, value, data = await (_once(one) if task.simple else _with_options(one))
            finally:
                session.performing -= 1
                if own:
                    delivery.inside.discard(me)
        except asyncio.CancelledError:
            await _called_off(one)
            raise
        if not (task.options.pure and session.settle_behind(line, me)):
            await session.settle(line, scope, me)
        if line.outcome == kinds.ERROR:
            raise rebuild(decode(line.value))
        if own and len(data) >= LARGE:
            session.remembered.add(value, data)
        return value
    finally:
        if own:
            delivery.answered()


STEP_CODES.add(step.__code__)


async def _recorded(session: Recalling, task: Task[..., Any], line: Entry, *, own: bool) -> Any:
    data = line.value if line.blob is None else await session.stored(session.host.load(line.value, line.blob))
    if line.outcome == kinds.ERROR:
        raise rebuild(decode(data))
    value = task.codec.decode(data)
    if own and len(data) >= LARGE:
        session.remembered.add(value, data)
    return value


Outcome: TypeAlias = tuple[Entry, Any, bytes]
"""The line that ends a step, the value for the flow, and its JSON."""


async def _once(one: Step) -> Outcome:
    """The common case: an async function, one attempt, no options."""
    session = one.session
    if session.behind:
        await session.on_disk()
    if session.host.doubts is not None:
        await session.assured()
    if session.replay is not None and (history := session.history(one.key)) is not None:
        one.attempt = len(history.attempts) + 1
    one.began = one.attempt_began = session.host.clock.now()
    try:
        data, value = one.task.codec.freeze(await body(one))
    except Exception as error:  # noqa: BLE001 - whatever the user's function raises is the task's outcome
        session.started_over(one.key)
        return one.final(kinds.ERROR, encode(describe(error)), session.host.clock.now()), None, b""
    session.started_over(one.key)
    if len(data) > INLINE:
        return await _succeeded(one, data, value)
    return one.final(kinds.OK, data, session.host.clock.now()), value, data


async def _succeeded(one: Step, data: bytes, value: Any) -> Outcome:
    if len(data) <= INLINE:
        return one.final(kinds.OK, data, one.session.host.clock.now()), value, data
    session = one.session
    kept, blob = await session.stored(session.host.keep(session.record.id, one.key, data))
    return one.final(kinds.OK, kept, one.session.host.clock.now(), blob), value, data


INLINE: Final = 65_536
"""Bytes of a result that the journal holds itself. What is larger goes to the blob store."""


async def _with_options(one: Step) -> Outcome:
    """Attempts, one after the other, until one succeeds or there is no point in another."""
    session, options = one.session, one.task.options
    history = session.history(one.key)
    wait_until = 0
    if history is not None and history.attempts:
        last = history.attempts[-1]
        one.attempt, one.began, wait_until = last.attempt + 1, history.attempts[0].started, retry_at(last)
    one.began = one.began or session.host.clock.now()
    if history is not None and history.begun(one.attempt) and options.on_unknown != "retry":
        return await _unknown(one)
    data, value = b"", None
    while True:
        try:
            await until(session, wait_until)
            if session.behind and not options.pure:
                await session.on_disk()
            place = 0 if options.rate is None else await paced(one, options.rate)
            data, value = await _attempt(one, place)
            break
        except asyncio.CancelledError:
            await _tell(one, options.on_cancel, None)
            raise
        except Exception as error:  # noqa: BLE001 - whatever the user's function raises is the task's outcome
            at = session.host.clock.now()
            roll = unit_interval(salt_of(f"{one.key}{ATTEMPT_MARK}{one.attempt}", session.record.span))
            delay = _delay(one, error, roll)
            if delay is None:
                session.started_over(one.key)
                await _tell(one, options.on_failure, error)
                return one.final(kinds.ERROR, encode(describe(error)), at), None, b""
            wait_until = at + int(delay.total_seconds() * 1e9)
            await _record_attempt(one, error, at, wait_until)
            one.attempt += 1
    session.started_over(one.key)
    await _tell(one, options.on_success, None)
    return await _succeeded(one, data, value)


async def _tell(one: Step, hook: Hook | None, error: BaseException | None) -> None:
    session = one.session
    if hook is not None and session.closing is None:
        record = session.record
        await hooks.run(hook, hooks.HookEvent(record.id, record.flow, one.task.name, one.key, one.attempt, error))


def _delay(one: Step, error: Exception, roll: float) -> timedelta | None:
    try:
        return next_delay(one.task.options.retry, attempt=one.attempt, error=error, roll=roll)
    except Exception as second:  # noqa: BLE001 - a predicate of the user's that raises must not lose the first error
        error.add_note(f"Retry(when=...) of task {one.task.name} raised {second!r}; not tried again")
        return None


async def _attempt(one: Step, place: int) -> tuple[bytes, Any]:
    """One attempt: slot, started line, body within its time, result. `place` is when its rate lets it start."""
    session, options = one.session, one.task.options
    release: Callable[[], None] | None = partial(_release, one) if options.pool is not None else None
    try:
        if options.pool is not None:
            # Inside, because a request that is cancelled on its way may be granted; releasing in vain is harmless.
            await session.stored(session.host.acquire(options.pool, session.num, one.key))
            if options.rate is not None:
                place = await paced(one, options.rate, place)  # waiting for the slot may have taken too long
        await _may_begin(one, place)
        if one.task.is_async:
            result = await timed(one, body(one))
        else:
            thread = threaded(one)
            if release is not None:
                thread.add_done_callback(_calling(release))  # the slot is held as long as the thread runs
                release = None
            result = await timed(one, await_thread(one, thread))
        return one.task.codec.freeze(result)
    finally:
        if release is not None:
            release()


async def _may_begin(one: Step, place: int) -> None:
    """Return when the attempt may start: this node surely lives, the place in its rate is not long over, and the start
    is on disk where somebody has to know of it after a crash.
    """
    session, options = one.session, one.task.options
    doubts, announced_at = session.host.doubts, -1
    while True:
        while doubts is not None and doubts():
            await session.assured()
            if options.rate is not None:
                place = await paced(one, options.rate, place)
        if announced_at == place:
            return
        one.attempt_began = session.host.clock.now()
        if options.on_unknown == "retry" and one.placed != one.attempt:
            return
        session.note_started(one)
        await session.on_disk()
        one.announced, announced_at = one.attempt, place
        if options.rate is not None:
            place = await paced(one, options.rate, place)  # the store may have taken too long


def _calling(release: Callable[[], None]) -> Callable[[object], None]:
    return lambda _: release()


def _release(one: Step) -> None:
    pool = one.task.options.pool
    assert pool is not None
    one.session.host.background(one.session.host.release(pool, one.session.num, one.key), f"release {pool.name}")


async def _record_attempt(one: Step, error: Exception, at: int, wait_until: int) -> None:
    """A failed attempt is on disk before its back-off, with the time at which the next one may start."""
    session = one.session
    session.started_over(one.key)
    pause = (wait_until - at) / 1e9
    told = "attempt %d of %s failed: %s: %s; tried again in %.3g s"
    context_of(one).run(_log.warning, told, one.attempt, one.task.name, type(error).__name__, error, pause)
    value = json.dumps({**describe(error), "retry_at": wait_until}).encode()
    span = attempt_span(one.span, -one.attempt)
    session.add(
        one.line(kinds.ATTEMPT, kinds.ERROR, value, at=at, started=one.attempt_began, span=span, parent=one.span)
    )
    await session.on_disk()


async def _called_off(one: Step) -> None:
    """Record that the step was cancelled, and end when the flow may feel it; see `Recording.call_off`."""
    session = one.session
    session.started_over(one.key)
    if session.closing is not None:
        return
    at = session.host.clock.now()
    one.began = one.began or at
    if one.scope.body is None:
        await session.call_off(lambda: one.final(kinds.CANCELLED, b"null", at))
    else:
        session.add(one.final(kinds.CANCELLED, b"null", at))


def retry_at(line: Entry) -> int:
    """When the attempt after a failed one may start."""
    return int(json.loads(line.value).get("retry_at", 0))


async def _unknown(one: Step) -> Outcome:
    error = UnknownOutcome(
        f"task {one.task.name} had started attempt {one.attempt} when its process died; "
        f"whether it took effect is not known. "
        f"Its idempotency key is {one.session.idempotency_key(one.key)}"
    )
    if one.task.options.on_unknown == "fail":
        one.session.close(Closing.FAILED, error)
    return one.final(kinds.ERROR, encode(describe(error)), one.session.host.clock.now()), None, b""
