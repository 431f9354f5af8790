"""One stay of a run in memory: from being claimed to having ended, or to leaving memory for a while."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final

from engine import codeprint
from engine.context import Hook
from engine.core.failure import describe, encode
from engine.core.replay import Divergence
from engine.flow import Flow
from engine.model.change import Adopted, Change, Ended, Parked, Released
from engine.model.errors import Fenced, HeadraceError, RunDiverged, RunTimeout, StoreError, UnwindingSwallowed
from engine.model.run import RunRecord, RunState
from engine.ports.clock import Cancellable
from engine.runtime import hooks, pacing, recording
from engine.runtime.bodies import no_exit
from engine.runtime.futures import both, outwait, resolve, waker
from engine.runtime.host import Home
from engine.runtime.performing import INLINE
from engine.runtime.recording import Closing
from engine.runtime.scoping import root_task
from engine.runtime.session import Session, root_scope
from engine.runtime.unsent import unsent
from engine.task import Task, TaskOptions

_log = logging.getLogger("headrace.run")

TIMEOUT: Final = "timeout"
"""What the journal calls a cancellation by the flow's own deadline."""


async def execute(node: Home, record: RunRecord, flow: Flow[..., Any], arrived: Callable[[Session], None]) -> None:
    """Run a claimed run until it ends or leaves memory. Cancelling it releases the run for another node.

    Never raises for what the flow does. Raises StoreError when the journal cannot be read.
    """
    try:
        if node.store.immediate:
            journal, signals = await node.store.read(record.num), await node.store.signals(record.num)
        else:  # at once: each is a round trip
            journal, signals = await both(node.store.read(record.num), node.store.signals(record.num))
    except asyncio.CancelledError:
        await let_go(node, record)
        raise
    session = Session(node, record, flow, journal, signals)
    arrived(session)
    node.telemetry.started(session.identity, record)
    if lines := unsent(journal, record.exported):
        node.telemetry.recorded(session.identity, lines)
    try:
        await _stay(node, session, flow)
    finally:
        session.end()


async def let_go(node: Home, record: RunRecord) -> None:
    """Leave a run that was claimed, and is not in memory, to other nodes.

    What goes wrong is for nobody to hear: the run goes with everything else that the node owns when it leaves.
    """
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    node.commit.change(Released(record.num), record.epoch, lambda _: resolve(done, None))
    await done


async def _stay(node: Home, session: Session, flow: Flow[..., Any]) -> None:
    record = session.record
    try:
        values = flow.parameters.decode(record.params)
        coroutine = flow.fn(**values)
    except (HeadraceError, TypeError) as error:
        await _end(node, session, RunState.FAILED, None, error)
        return
    deadline = _Deadline(node, session)
    body = _body(session, coroutine, deadline)
    root = root_task(session.loop, body, root_scope(session), f"headrace {record.flow} {record.id}")
    session.root = root
    session.delivery.tasks.add(root)  # for good: what is left behind when the flow has ended is not alone
    _cancel_again(session)
    try:
        try:
            await _ended(root, session.left)
        finally:
            deadline.cancel()
        await _leftovers(session)
    except asyncio.CancelledError:
        await _unwind(session, root)
        await _write(node, session, Released(record.num))
        raise
    await _conclude(node, session, root)


async def _body(session: Session, coroutine: Coroutine[Any, Any, Any], deadline: _Deadline) -> Any:
    """The flow, when its rate lets it begin."""
    try:
        deadline.set(await pacing.begun(session))
    except BaseException:
        coroutine.close()
        raise
    try:
        return await coroutine
    except SystemExit as error:
        raise no_exit(f"flow {session.of.name}", error) from error


async def _conclude(node: Home, session: Session, root: asyncio.Task[Any]) -> None:
    """The root has ended: by itself, or because the session was closed around it."""
    match session.closing:
        case None:
            await _own_end(node, session, root)
        case Closing.UNWINDING:
            _check_unwound(session, root)
            await _write(
                node,
                session,
                Parked(session.num, session.parked_until, session.parked_seen, tuple(session.parked_children)),
            )
        case Closing.DIVERGED:
            await _diverged(node, session)
        case Closing.FENCED:
            _lost(session)
        case Closing.UNWRITABLE:
            node.store_failed(
                session.record, session.cause if isinstance(session.cause, StoreError) else StoreError("write failed")
            )
        case Closing.FAILED:
            await _end(
                node,
                session,
                RunState.FAILED,
                None,
                session.cause if isinstance(session.cause, BaseException) else None,
            )
        case Closing.ENDED:
            pass


async def _own_end(node: Home, session: Session, root: asyncio.Task[Any]) -> None:
    options = session.of.options
    if root.cancelled():
        error: BaseException | None = session.overdue
        state = RunState.FAILED if error is not None else RunState.CANCELLED
    else:
        error = root.exception()
        state = RunState.FAILED if error is not None else RunState.SUCCEEDED
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        raise error
    result = None
    if state is RunState.SUCCEEDED:
        try:
            result, _ = session.of.codec.freeze(root.result())
        except HeadraceError as refused:
            state, error = RunState.FAILED, refused
    hook = {
        RunState.SUCCEEDED: options.on_success,
        RunState.FAILED: options.on_failure,
        RunState.CANCELLED: options.on_cancel,
    }[state]
    if hook is not None:
        await _hook(session, hook, state, error)
    if session.closing is not None:
        await _conclude(node, session, root)
        return
    await _end(node, session, state, result, error)


async def _hook(session: Session, hook: Hook, state: RunState, error: BaseException | None) -> None:
    """A run's hook is recorded like a task, so that it is not called again after a crash."""
    event = hooks.HookEvent(session.record.id, session.record.flow, "", "", 1, error)

    async def call() -> None:
        await hooks.run(hook, event)

    wrapped: Task[[], None] = Task(call, f"on_{state.value}", TaskOptions(key=state.value))

    async def recorded() -> None:
        await wrapped()

    task = root_task(session.loop, recorded(), root_scope(session), f"headrace hook {session.record.id}")
    session.delivery.tasks.add(task)
    task.add_done_callback(session.delivery.tasks.discard)
    await _ended(task, session.loop.create_future())


async def _end(
    node: Home, session: Session, state: RunState, result: bytes | None, error: BaseException | None
) -> None:
    """Write the run's end, then tell whoever waits for it."""
    record = session.record
    blob = None
    if result is not None and len(result) > INLINE:
        result, blob = await node.keep(record.id, "result", result)
    failure = encode(describe(error)) if error is not None else None
    if state is RunState.CANCELLED:
        failure = encode(describe(asyncio.CancelledError(record.cancel or session.cancel_reason or "cancelled")))
    at = node.clock.now()
    if not await _write(node, session, Ended(record.num, state, result, blob, failure, at)):
        return
    if state is RunState.FAILED and error is not None:
        _log.error("run %s of %s failed: %s: %s", record.id, record.flow, type(error).__name__, error)
    ended = record._replace(state=state, result=result, result_blob=blob, error=failure, ended=at, owner=None)
    node.tell_end(session.identity, ended)
    node.run_ended(ended)


async def _diverged(node: Home, session: Session) -> None:
    record, found = session.record, session.cause
    diff = found.diff() if isinstance(found, Divergence) else ""
    same_code = record.fingerprint == codeprint.fingerprint(session.of)
    why = (
        "the flow is not deterministic between its tasks (an unrecorded clock, random number or input?)"
        if same_code
        else "its code has changed since"
    )
    error = RunDiverged(
        f"run {record.id} of {record.flow} asks for something else than its journal has; {why}\n{diff}",
        run_id=record.id,
        flow=record.flow,
        diff=diff,
    )
    failure = encode({**describe(error), "args": [str(error)]})
    at = node.clock.now()
    if await _write(node, session, Ended(record.num, RunState.DIVERGED, None, None, failure, at)):
        _log.error("%s", error)
        node.run_ended(record._replace(state=RunState.DIVERGED, error=failure, owner=None))


async def _write(node: Home, session: Session, change: Change) -> bool:
    """Commit a change of the run; False when the run was lost to another node or the store failed."""
    done: asyncio.Future[Exception | None] = session.loop.create_future()
    if session.record.fingerprint != (mark := codeprint.fingerprint(session.of)) and isinstance(
        change, (Parked, Released)
    ):
        node.commit.change(Adopted(session.num, session.of.options.version, mark, codeprint.PYTHON), session.epoch)
    node.commit.change(change, session.epoch, lambda error: resolve(done, error))
    error = await done
    match error:
        case None:
            return True
        case Fenced():
            _lost(session)
        case _:
            node.store_failed(session.record, error)
    return False


def _lost(session: Session) -> None:
    _log.warning("run %s of %s now belongs to another node; stopped here", session.record.id, session.record.flow)


def _cancel_again(session: Session) -> None:
    """Cancel a flow as it was cancelled in an earlier stay, else as somebody has asked meanwhile."""
    recorded = session.recorded_cancel
    if recorded is not None and recorded.name == TIMEOUT:
        session.overdue = _overdue(session.record)
        session.cancel(json.loads(recorded.value), TIMEOUT)
    elif session.called_off is not None:
        session.cancel(session.called_off)


def _overdue(record: RunRecord) -> RunTimeout:
    limit = (record.timeout or 0) / 1e9
    return RunTimeout(
        f"run {record.id} of {record.flow} did not end within {limit:g} s", run_id=record.id, flow=record.flow
    )


class _Deadline:
    """The end of a flow's own time, which begins when the flow does."""

    def __init__(self, node: Home, session: Session) -> None:
        self._node = node
        self._session = session
        self._timer: Cancellable | None = None

    def set(self, place: int | None) -> None:
        """The flow begins; `place` is the time for which it had to wait, of this stay or one before."""
        session, record = self._session, self._session.record
        if record.timeout is not None:
            session.overdue_at = max(record.started or record.created, place or 0) + record.timeout
            self._timer = self._node.clock.call_at(session.overdue_at, self._expire)

    def cancel(self) -> None:
        """The flow has ended."""
        if self._timer is not None:
            self._timer.cancel()

    def _expire(self) -> None:
        session = self._session
        if session.cancel(f"timeout of {(session.record.timeout or 0) / 1e9:g} s", TIMEOUT):
            session.overdue = _overdue(session.record)


async def _ended(task: asyncio.Task[Any], waiter: asyncio.Future[None]) -> None:
    """Wait for a task's end, whatever it is, or for `waiter`; being cancelled meanwhile leaves the task alone."""
    if not task.done():
        task.add_done_callback(waker(waiter))
        await waiter


async def _unwind(session: Session, root: asyncio.Task[Any]) -> None:
    at_its_end = root.done()  # in the same moment; whoever takes the run next finds that out by replay
    session.close(Closing.UNWINDING, None)
    await asyncio.wait([root], timeout=recording.UNWINDING_GRACE)
    leftovers = asyncio.ensure_future(_leftovers(session))
    await outwait(leftovers)
    leftovers.result()
    if not at_its_end:
        _check_unwound(session, root)


async def _leftovers(session: Session) -> None:
    """What a flow started and did not await ends with it. Its child runs are told to end, and waited for."""
    delivery = session.delivery
    if session.closing is None and not (delivery.asked or delivery.unstarted or len(delivery.tasks) > 1):
        return
    left = session.tasks.of(session.loop) if session.branched else []
    if not left:
        return
    for task in left:
        task.cancel("the run has ended")
    session.leftovers = left
    _, stubborn = await asyncio.wait(left, timeout=recording.UNWINDING_GRACE)
    while stubborn and session.outwaited and session.closing is None:  # a child run takes the time that it takes
        _, stubborn = await asyncio.wait(stubborn, timeout=recording.UNWINDING_GRACE)
    for task in stubborn:
        _log.error(
            "run %s of %s: %r ignores its cancellation and was left behind",
            session.record.id,
            session.record.flow,
            task,
        )


def _check_unwound(session: Session, root: asyncio.Task[Any]) -> None:
    swallowed = not root.done() or not root.cancelled()
    if swallowed:
        error = UnwindingSwallowed(
            f"run {session.record.id} of {session.record.flow} caught the cancellation by which it leaves memory "
            f"and went on; catch asyncio.CancelledError only to clean up, and raise it again"
        )
        _log.error("%s", error)
