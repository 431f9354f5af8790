"""Flows that call flows: a child run with an id of its own, awaited like a task."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, TypeVar

from engine import codeprint
from engine.admission import ASKED_FOR, admitted, rate_of
from engine.context import RunScope
from engine.core.canonical import digest
from engine.core.failure import decode, describe, encode, rebuild
from engine.core.scopes import mixed
from engine.flow import Call
from engine.model import entry as kinds
from engine.model.entry import Entry
from engine.model.errors import RunCancelled
from engine.model.run import ENDED, NewRun, RunRecord, RunState
from engine.model.trace import part_of, place_of
from engine.runtime import lanes
from engine.runtime.asking import Asking
from engine.runtime.recalling import Recalling
from engine.runtime.scoping import STEP_CODES

T = TypeVar("T")


async def step(session: Recalling, call: Call[T], scope: RunScope, key: str, span: int, text: str) -> T:
    """Start the child, or find it, and wait for its end. Raises what the child raised.

    Cancelling it cancels the child and waits until it has ended.
    """
    with Asking(session, scope):
        line = await session.recorded(key, scope)
        if line is None:
            line = await _performed(session, call, scope, key, span, text)
        data = await session.stored(session.host.load(line.value, line.blob))
        if line.outcome == kinds.ERROR:
            raise rebuild(decode(data))
        result: T = call.flow.codec.decode(data)
        return result


STEP_CODES.add(step.__code__)


async def _performed(session: Recalling, call: Call[Any], scope: RunScope, key: str, span: int, text: str) -> Entry:
    began = session.host.clock.now()
    span = session.placed(key, span, scope)
    new = _child_of(session, call, scope, key, span, began)
    starting: asyncio.Future[RunRecord] | None = None
    try:
        reused = await session.admit(key, call.flow.name, text, scope)
        if reused is not None:
            return reused
        session.make_room()
        if session.behind:
            await session.on_disk()
        refused = await lanes.refused(session, new)
        if refused is not None:
            line = session.line(kinds.CHILD, key, new.flow, text, began, began, span, scope.span, kinds.ERROR, refused)
            await session.settle(line, scope, asyncio.current_task())
            return line
        new = await _in_time(session, new, call)
        await session.assured()
        starting = session.host.start_child(new)
        child = await session.stored(asyncio.shield(starting))
        ended = child if child.state in ENDED else await _end_of(session, child)
    except asyncio.CancelledError:
        if starting is not None:  # a child that is on its way into the store cannot be told yet
            await session.stored(session.outwait(starting))
        await _end_child(session, new)
        if session.closing is None and scope.body is None:
            await session.call_off(partial(_line, session, scope, key, call.flow.name, text, span, began, None))
        raise
    line = _line(session, scope, key, call.flow.name, text, span, began, ended)
    await session.settle(line, scope, asyncio.current_task())
    return line


async def _in_time(session: Recalling, new: NewRun, call: Call[Any]) -> NewRun:
    """The child, due when the rate of its flow lets it start."""
    rate = rate_of(call)
    if rate is None:
        return new
    interval, burst = rate[0].interval, rate[0].at_once
    delay = await session.stored(session.host.reserve(f"{ASKED_FOR}{rate[1]}", interval=interval, burst=burst))
    return new._replace(due=session.host.clock.now() + delay) if delay else new


async def _end_child(session: Recalling, child: NewRun) -> None:
    """Cancel the child, if there is one, and return when it has ended.

    Asked also for a child that this process has not started: the one before may have died between the cancellation
    and telling the child. A node in doubt tells it nothing: it may be the child of another's run by now.
    """
    await session.outwait_doubts()
    if session.closing is not None or session.host.effects_forbidden:
        return
    reason = f"its parent {session.record.id} was cancelled"
    asking = session.host.cancel_child(child.id, reason)
    await session.stored(session.outwait(asking))  # cancelled again, it is told all the same
    record = asking.result() if asking.done() else None
    if record is None or record.state in ENDED:
        return
    session.outwaited[record.num] = None
    session.host.gives_way()
    try:
        await session.stored(session.outwait(session.host.watch(record.num, patient=True)))
    finally:
        session.outwaited.pop(record.num, None)


def _child_id(session: Recalling, call: Call[Any], key: str) -> str:
    return f"{session.record.id}/{call.flow.name}-{digest(key)[:10]}"


def _child_of(session: Recalling, call: Call[Any], scope: RunScope, key: str, span: int, now: int) -> NewRun:
    parent = session.record
    timeout = call.flow.options.timeout
    trace, root = place_of(bytes.fromhex(parent.trace), parent.span, part_of(span))
    new = NewRun(
        id=_child_id(session, call, key),
        flow=call.flow.name,
        params=call.params,
        created=now,
        version=call.flow.options.version,
        fingerprint=codeprint.fingerprint(call.flow),
        python=codeprint.PYTHON,
        timeout=None if timeout is None else int(timeout.total_seconds() * 1e9),
        trace=trace.hex(),
        span=mixed(span, 1),
        sampled=parent.sampled,
        parent=parent.num,
        parent_epoch=session.epoch,
        parent_key=key,
        parent_span=root if scope.span == parent.span else scope.span,
        origin=parent.origin,
        tags=call.flow.options.tags,
        scheduled_for=parent.scheduled_for,
    )
    return admitted(new, call, parent=parent)


async def _end_of(session: Recalling, child: RunRecord) -> RunRecord:
    # A child that has diverged has not ended: somebody mends it and it goes on, or cancels it.
    future = session.host.watch(child.num, patient=True)
    session.waits[future] = None
    session.waiting_children[child.num] = None
    session.host.gives_way()
    session.host.may_park(session.num)
    try:
        return await session.stored(future)
    finally:
        session.waits.pop(future, None)
        session.waiting_children.pop(child.num, None)


def _line(
    session: Recalling, scope: RunScope, key: str, name: str, text: str, span: int, began: int, child: RunRecord | None
) -> Entry:
    """The line that ends the step; without a child, the step was cancelled."""
    outcome, value, blob = kinds.CANCELLED, b"null", None
    if child is not None and child.state is RunState.SUCCEEDED:
        outcome, value, blob = kinds.OK, child.result or b"null", child.result_blob
    elif child is not None:
        outcome, value = kinds.ERROR, _error(child) or b"null"
    at = session.host.clock.now()
    return session.line(kinds.CHILD, key, name, text, began, at, span, scope.span, outcome, value, blob=blob)


def _error(child: RunRecord) -> bytes | None:
    """What the parent gets. Not the child's CancelledError: it is the child that was cancelled, not its caller."""
    if child.state is not RunState.CANCELLED:
        return child.error
    reason = decode(child.error)["message"] if child.error is not None else child.cancel
    return encode(describe(RunCancelled(f"run {child.id} of {child.flow} was cancelled: {reason}")))
