"""The user's function of one attempt: on the loop or in a thread, in a context of its own, within its time."""

from __future__ import annotations

import asyncio
from contextvars import Context, copy_context
from datetime import timedelta
from functools import partial
from typing import Any

from engine.context import CURRENT
from engine.core.scopes import ATTEMPT_MARK, Scope
from engine.model.errors import PermanentError, TaskFailed
from engine.runtime.driving import Driven
from engine.runtime.step import Attempt, Step


async def body(one: Step) -> Any:
    """The user's async function, in a context and a scope of its own."""
    before = _cancellations(one)
    driven = Driven(one.task.fn(*one.args, **one.kwargs), _context(one), one.runs)
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


def context_of(one: Step) -> Context:
    """A context in which code, and what it logs, belongs to this attempt."""
    path = f"{one.key}{ATTEMPT_MARK}{one.attempt}"
    span = one.attempt_span
    inner = Scope(one.scope.session, path, span=span, salt=span, body=Attempt(one.task.name, one.key, one.attempt))
    context = copy_context()
    context.run(CURRENT.set, inner)
    return context


def _context(one: Step) -> Context:
    """The context of the body: the attempt's span is current in it, for spans of the user's own."""
    session, context = one.session, context_of(one)
    if session.host.attach is not None:
        context.run(session.host.attach, session.identity, one.attempt_span)
    return context


def threaded(one: Step) -> asyncio.Future[Any]:
    one.runs()
    return one.session.host.in_thread(_context(one), partial(one.task.fn, *one.args, **one.kwargs))


async def await_thread(one: Step, thread: asyncio.Future[Any]) -> Any:
    before = _cancellations(one)
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError as error:
        if not thread.done():
            one.session.host.still_running(one.session.record.id, one.task.name, thread)
        else:
            _refuse_own_cancellation(one, before, error)
        raise
    except SystemExit as error:
        raise no_exit(f"task {one.task.name}", error) from error


async def timed(one: Step, work: Any) -> Any:
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
