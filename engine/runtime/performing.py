"""One step of a flow: replayed when the journal has it, performed when it has not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from contextvars import Context, copy_context
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, TypeVar

from engine.context import CURRENT, RunScope
from engine.core.backoff import next_delay
from engine.core.failure import decode, describe, encode, rebuild
from engine.core.scopes import ATTEMPT_MARK, Scope, mixed, salt_of, unit_interval
from engine.model import entry as kinds
from engine.model.entry import Entry
from engine.model.errors import PermanentError, TaskFailed, UnknownOutcome
from engine.runtime import hooks
from engine.runtime.driving import Driven
from engine.runtime.futures import waker
from engine.runtime.remembered import LARGE
from engine.runtime.scoping import STEP_CODES
from engine.task import Task

if TYPE_CHECKING:
    from engine.runtime.session import Session

T = TypeVar("T")

SHOWN: Final = 160


class Attempt(NamedTuple):
    """The attempt whose body is running: what `current()` tells inside a task."""

    name: str
    key: str
    attempt: int


class Step:
    """One call of a task: who asks, what for, and under which names it is recorded."""

    __slots__ = (
        "args",
        "attempt",
        "attempt_began",
        "began",
        "key",
        "kwargs",
        "me",
        "scope",
        "session",
        "span",
        "task",
        "text",
    )

    def __init__(
        self,
        session: Session,
        task: Task[..., Any],
        scope: RunScope,
        key: str,
        span: int,
        text: str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        me: asyncio.Task[Any] | None,
    ) -> None:
        self.session = session
        self.task = task
        self.scope = scope
        self.key = key
        self.span = span
        self.text = text
        self.args = args
        self.kwargs = kwargs
        self.me = me
        self.attempt = 1
        self.began = 0
        self.attempt_began = 0

    def line(
        self,
        kind: str,
        outcome: str,
        value: bytes,
        *,
        at: int,
        started: int,
        span: int,
        parent: int,
        blob: str | None = None,
    ) -> Entry:
        """A journal line about this step; its number and group come later."""
        session = self.session
        return Entry(
            session.num, session.next_seq(), session.group, kind, self.key, self.task.name, self.text[:SHOWN],
            self.attempt,            started, at, span, parent, outcome, value, blob, session.epoch,
        )  # fmt: skip

    def final(self, outcome: str, value: bytes, at: int, blob: str | None = None) -> Entry:
        """The line that ends the step."""
        return self.line(
            kinds.TASK, outcome, value, at=at, started=self.began, span=self.span, parent=self.scope.span, blob=blob
        )

    def suspended(self) -> None:
        """The body has begun to wait: from now on people can see that it runs."""
        self.session.note_started(self)

    @property
    def above(self) -> int:
        """The parent of the attempt's span."""
        return self.scope.span if self.attempt == 1 else self.span

    @property
    def attempt_span(self) -> int:
        """The first attempt is the task's span; each further one has its own beneath it."""
        return self.span if self.attempt == 1 else mixed(self.span, self.attempt)


async def step(
    session: Session,
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
    delivery = session.delivery
    me = asyncio.current_task(session.loop)
    own = scope.body is None
    if own:
        delivery.asked += 1
        if me not in delivery.tasks and delivery.unstarted:
            delivery.unstarted -= 1
    try:
        if session.closing is not None:
            raise asyncio.CancelledError(session.closing.value)
        replaying = session.replay is not None
        if replaying and (line := session.due(key, scope, me) or await session.recorded(key, scope)) is not None:
            if line.blob is not None or line.outcome == kinds.ERROR:
                return await _recorded(session, task, line, own=own)
            value = task.codec.decode(line.value)
            if own and len(line.value) >= LARGE:
                session.remembered.add(value, line.value)
            return value
        session.make_room()
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
            delivery.asked -= 1


STEP_CODES.add(step.__code__)


async def _recorded(session: Session, task: Task[..., Any], line: Entry, *, own: bool) -> Any:
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
        await session.host.commit.flushed()
    if session.replay is not None and (history := session.history(one.key)) is not None:
        one.attempt = len(history.attempts) + 1
    one.began = one.attempt_began = session.host.clock.now()
    try:
        data, value = one.task.codec.freeze(await body(one))
    except Exception as error:  # noqa: BLE001 - whatever the user's function raises is the task's outcome
        session.started_over(one.key)
        return one.final(kinds.ERROR, failure(error), session.host.clock.now()), None, b""
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
    lost = history is not None and history.started is not None and history.started.attempt == one.attempt
    if lost and options.on_unknown != "retry":
        return await _unknown(one)
    data, value = b"", None
    while True:
        try:
            await _until(session, wait_until)
            if session.behind and not options.pure:
                await session.host.commit.flushed()
            data, value = await _attempt(one)
            break
        except asyncio.CancelledError:
            await hooks.call(one, options.on_cancel, None)
            raise
        except Exception as error:  # noqa: BLE001 - whatever the user's function raises is the task's outcome
            at = session.host.clock.now()
            roll = unit_interval(salt_of(f"{one.key}{ATTEMPT_MARK}{one.attempt}", session.record.span))
            delay = _delay(one, error, roll)
            if delay is None:
                session.started_over(one.key)
                await hooks.call(one, options.on_failure, error)
                return one.final(kinds.ERROR, failure(error), at), None, b""
            wait_until = at + int(delay.total_seconds() * 1e9)
            await _record_attempt(one, error, at, wait_until)
            one.attempt += 1
    session.started_over(one.key)
    await hooks.call(one, options.on_success, None)
    return await _succeeded(one, data, value)


def _delay(one: Step, error: Exception, roll: float) -> timedelta | None:
    try:
        return next_delay(one.task.options.retry, attempt=one.attempt, error=error, roll=roll)
    except Exception as second:  # noqa: BLE001 - a predicate of the user's that raises must not lose the first error
        error.add_note(f"Retry(when=...) of task {one.task.name} raised {second!r}; not tried again")
        return None


async def _attempt(one: Step) -> tuple[bytes, Any]:
    """One attempt: slot, started line, body within its time, result."""
    session, options = one.session, one.task.options
    release: Callable[[], None] | None = partial(_release, one) if options.pool is not None else None
    try:
        if options.pool is not None:
            # Inside, because a request that is cancelled on its way may be granted; releasing in vain is harmless.
            await session.stored(session.host.acquire(options.pool, session.num, one.key))
        one.attempt_began = session.host.clock.now()
        if options.on_unknown != "retry":
            session.note_started(one)
            await session.host.commit.flushed()
        if one.task.is_async:
            result = await _timed(one, body(one))
        else:
            thread = _threaded(one)
            if release is not None:
                thread.add_done_callback(_calling(release))  # the slot is held as long as the thread runs
                release = None
            result = await _timed(one, _await_thread(one, thread))
        return one.task.codec.freeze(result)
    finally:
        if release is not None:
            release()


def _calling(release: Callable[[], None]) -> Callable[[object], None]:
    return lambda _: release()


def _release(one: Step) -> None:
    pool = one.task.options.pool
    assert pool is not None
    one.session.host.background(one.session.host.release(pool, one.session.num, one.key), f"release {pool.name}")


async def _timed(one: Step, work: Any) -> Any:
    limit = one.task.options.timeout
    if limit is None:
        return await work
    clock = one.session.host.clock
    deadline = asyncio.timeout(None)
    timer = clock.call_at(clock.now() + limit // timedelta(microseconds=1) * 1000, lambda: deadline.reschedule(0))
    try:
        async with deadline:
            return await work
    except TimeoutError:
        if not deadline.expired():
            raise
        raise TimeoutError(f"task {one.task.name}: attempt {one.attempt} took longer than {limit}") from None
    finally:
        timer.cancel()


async def body(one: Step) -> Any:
    """The user's async function, in a context and a scope of its own."""
    before = _cancellations(one)
    driven = Driven(one.task.fn(*one.args, **one.kwargs), _context(one), one.suspended)
    try:
        result = await driven
    except asyncio.CancelledError as error:
        _refuse_own_cancellation(one, before, error)
        raise
    except SystemExit as error:
        raise no_exit(f"task {one.task.name}", error) from error
    if driven.interrupted and one.me is not None and one.me.cancelling() > before:
        raise asyncio.CancelledError("the task went on although it was cancelled")
    return result


def no_exit(who: str, error: SystemExit) -> PermanentError:
    """What becomes of `sys.exit()`: the failure of who called it, not the end of the process with every run in it."""
    return PermanentError(f"{who} called sys.exit({error.code!r}); raise an exception, or return, to end it")


def _cancellations(one: Step) -> int:
    """How often the asyncio task was cancelled and has felt it."""
    me: Any = one.me
    return 0 if me is None else me.cancelling() - bool(getattr(me, "_must_cancel", False))


def _refuse_own_cancellation(one: Step, before: int, error: asyncio.CancelledError) -> None:
    """A body that raises CancelledError when nobody has cancelled it has failed.

    Recorded as cancelled, it would stay pending on replay until somebody cancels it, and nobody would.
    """
    if one.session.closing is None and one.me is not None and one.me.cancelling() <= before:
        message = f"task {one.task.name} raised CancelledError although nobody had cancelled it; {error}".rstrip("; ")
        raise TaskFailed("asyncio.exceptions.CancelledError", message) from error


def _context(one: Step) -> Context:
    session = one.session
    span = one.attempt_span
    path = f"{one.key}{ATTEMPT_MARK}{one.attempt}"
    inner = Scope(one.scope.session, path, span=span, salt=span, body=Attempt(one.task.name, one.key, one.attempt))
    context = copy_context()
    context.run(CURRENT.set, inner)
    if session.host.attach is not None:
        context.run(session.host.attach, session.identity, span)
    return context


def _threaded(one: Step) -> asyncio.Future[Any]:
    one.session.note_started(one)
    return one.session.host.in_thread(_context(one), partial(one.task.fn, *one.args, **one.kwargs))


async def _await_thread(one: Step, thread: asyncio.Future[Any]) -> Any:
    before = _cancellations(one)
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError as error:
        if not thread.done():
            one.session.host.still_running(one.session, one.task.name, one.key, thread)
        else:
            _refuse_own_cancellation(one, before, error)
        raise
    except SystemExit as error:
        raise no_exit(f"task {one.task.name}", error) from error


async def _record_attempt(one: Step, error: Exception, at: int, wait_until: int) -> None:
    """A failed attempt is on disk before its back-off, with the time at which the next one may start."""
    session = one.session
    session.started_over(one.key)
    value = json.dumps({**describe(error), "retry_at": wait_until}).encode()
    span = mixed(one.span, -one.attempt)
    session.add(
        one.line(kinds.ATTEMPT, kinds.ERROR, value, at=at, started=one.attempt_began, span=span, parent=one.span)
    )
    await session.host.commit.flushed()


async def _until(session: Session, when: int) -> None:
    if when <= session.host.clock.now():
        return
    future: asyncio.Future[None] = session.loop.create_future()
    timer = session.host.clock.call_at(when, waker(future))
    session.waits[future] = when
    session.performing -= 1
    session.host.may_park(session)
    try:
        await future
    finally:
        session.performing += 1
        timer.cancel()
        session.waits.pop(future, None)


async def _called_off(one: Step) -> None:
    """Record that the step was cancelled, and end when the flow may feel it; see `Session.call_off`."""
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
        one.session.host.fail(one.session, error)
    return one.final(kinds.ERROR, failure(error), one.session.host.clock.now()), None, b""


def failure(error: BaseException) -> bytes:
    """The failure record of an exception, as JSON."""
    return encode(describe(error))
