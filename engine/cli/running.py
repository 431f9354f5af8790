"""Running one run in this process: find or start it, stay with it, tell how it ended."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from engine import loading
from engine.cli import console
from engine.cli.attend import Attended, HeldUp, Over, Stopped, Waiting, attend, unfinished_children
from engine.cli.board import Board
from engine.cli.declaring import declared
from engine.cli.exits import OF_STATE, Exit
from engine.cli.failing import tell_end, tell_waiting
from engine.cli.log_lines import log_to_stderr
from engine.cli.progress import Progress, Watched
from engine.cli.stopping import Stop
from engine.cli.times import ago, brief
from engine.cli.tuning import loop_factory, tune
from engine.cli.views import full_json, result_of
from engine.client import RunHandle
from engine.flow import Call, Flow, OnDivergence
from engine.model.errors import StoreError, UsageError
from engine.model.run import ENDED, RunRecord, RunState
from engine.wiring import Durability, Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the command line asks for. `meant` has the run's id as soon as there is one."""

    chosen: loading.Chosen
    begin: Callable[[Engine], Coroutine[Any, Any, RunHandle[Any]]]
    resume: Sequence[str]
    store: str | None = None
    durability: Durability = "process"
    on_divergence: OnDivergence | None = None
    progress: bool = True
    json: bool = False
    wait: bool = False
    board: Board = field(default_factory=Board)
    meant: list[str] = field(default_factory=list[str])

    def resume_command(self, run_id: str) -> list[str]:
        """The words that go on with the run."""
        return [*self.resume, "--id", run_id, *(["--store", self.store] if self.store else [])]


def perform(order: Order) -> Exit:
    """Run to the end, or until it is left. Ends the process itself when a thread of a task would keep it alive."""
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            code = runner.run(_perform(order))
    except SystemExit as error:
        if not order.meant:
            raise
        code = _broke_off(order, error)
    leave_threads(code)
    return code


def leave_threads(code: int) -> None:
    """A task's thread cannot be stopped, and Python would wait for it: end the process without it."""
    if any(thread.name.startswith("headrace-task") for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


async def _perform(order: Order) -> Exit:
    log_to_stderr()
    flows = _with_policy(order.chosen.flows, order.on_divergence)
    engine = Engine(order.store, flows=flows, durability=order.durability, only=[])
    if order.progress and engine.node.duty.only is not None:
        engine.node.telemetry = Watched(engine.node.telemetry, order.board, engine.node.duty.only)
    with Stop("Stopping; once more to kill.") as stop:
        try:
            async with engine:
                tune()
                handle = await order.begin(engine)
                order.meant.append(handle.id)
                record = await handle.record()
                if record.state in ENDED:
                    console.say(f"run {record.id} of {record.flow} has ended already, {ago(record.ended or 0)}")
                    return await _over(engine, order, record)
                await _take_along(engine, record)
                attended = await _stay(engine, order, record, stop)
                if isinstance(attended, Over):
                    return await _over(engine, order, attended.record)
                record = await handle.record()
                logging.getLogger("headrace.node").setLevel(logging.ERROR)  # threads left behind are no news now
        except StoreError as error:
            if not order.meant:
                raise
            return _broke_off(order, error)
        return await _left(engine, order, record, attended)


def _broke_off(order: Order, error: StoreError | SystemExit) -> Exit:
    """The store failed under the run, or its code ended the process."""
    run_id = order.meant[0]
    resume = order.resume_command(run_id)
    if isinstance(error, StoreError):
        console.complain(str(error))
        console.advise("Nothing that was recorded is lost. When the store works again, this goes on:", *resume)
        return Exit.STORE
    console.complain(
        f"the code of run {run_id} called sys.exit({error.code!r}), which ends the whole process. Raise instead"
    )
    console.advise("Once that is mended, this goes on:", *resume)
    return Exit.FAILED


async def _stay(engine: Engine, order: Order, record: RunRecord, stop: Stop) -> Attended:
    async with AsyncExitStack() as stack:
        if order.progress:
            engine.node.listeners.append(order.board.reported)
            await stack.enter_async_context(Progress(order.board, f"{record.flow} {record.id}"))
        return await attend(engine, record.num, stop, leave=not order.wait)


async def _take_along(engine: Engine, record: RunRecord) -> None:
    """Let this node run the children of the run as well, also those begun by another process."""
    if engine.node.duty.only is not None:
        engine.node.duty.only.update(child.num for child in await unfinished_children(engine.store, record))
        engine.node.news()


async def _over(engine: Engine, order: Order, record: RunRecord) -> Exit:
    if order.json:
        console.put_json(await full_json(engine, record))
    if record.state is not RunState.SUCCEEDED:
        await tell_end(engine, record)
        if record.state is RunState.DIVERGED:
            _advise_diverged(order, record)
    else:
        took = brief((record.ended or 0) - (record.started or record.created))
        text = f"run {record.id} of {record.flow} succeeded in {took}"
        console.say(f"{text}: {order.board.totals()}" if order.progress and order.board.names else text)
        if not order.json:
            console.put(console.pretty(await result_of(engine, record) or "null"))
    return OF_STATE[record.state]


async def _left(engine: Engine, order: Order, record: RunRecord, attended: Attended) -> Exit:
    if order.json:
        waits = attended.waits if isinstance(attended, Waiting) else []
        shown = await full_json(engine, record)
        console.put_json({**shown, "waits_for": [wait.as_json() for wait in waits]})
    resume = order.resume_command(record.id)
    match attended:
        case Waiting(record=record, waits=waits):
            tell_waiting(record, waits, resume, partial(declared, order.chosen.flows))
            return Exit.WAITING
        case HeldUp(child=child):
            await tell_end(engine, child)
            console.say(f"run {record.id} of {record.flow} waits for it")
            _advise_diverged(order, record)
            return Exit.DIVERGED
        case Stopped() if record.owner not in (None, engine.node.id):
            console.say(f"run {record.id} of {record.flow} goes on in another process, node {record.owner}")
            console.advise("To stop the run itself:", "cancel", record.id)
        case _:
            console.say(f"run {record.id} of {record.flow} is left where it is; its recorded results are kept.")
            console.advise("This goes on with it:", *resume)
    return Exit.INTERRUPTED


def _advise_diverged(order: Order, record: RunRecord) -> None:
    resume = order.resume_command(record.id)
    console.advise("With the code as it was when this was recorded, the run goes on:", *resume)
    console.advise("This runs again what differs:", *resume, "--on-divergence", "rerun")
    console.advise("This takes what is recorded in its place:", *resume, "--on-divergence", "reuse")


def _with_policy(flows: Sequence[Flow[..., Any]], policy: OnDivergence | None) -> list[Flow[..., Any]]:
    if policy is None:
        return list(flows)
    return [Flow(flow.fn, flow.name, replace(flow.options, on_divergence=policy)) for flow in flows]


async def begin(
    engine: Engine, call: Call[Any], *, id: str | None, new: bool, tags: Sequence[str], board: Board
) -> RunHandle[Any]:
    """Start a run, or go on with the one that is meant. Says which. Raises RunConflict, UsageError."""
    origin = loading.place(call.flow)
    if id is None and not new:
        id = await _the_unfinished(engine, call)
    handle = await engine.start(call, id=id, tags=tags, origin=origin)
    record = await handle.record()
    if handle.skipped:
        console.say(f"skipped: {record.flow} is a singleton, and run {record.id} of it has not ended")
    if handle.created:
        console.say(f"run {record.id} of {record.flow} started")
    elif record.state not in ENDED:
        await resume(engine, record, board)
    return handle


async def resume(engine: Engine, record: RunRecord, board: Board) -> None:
    """Go on with a run that has not ended, and say so."""
    if record.state is RunState.DIVERGED:
        await engine.store.requeue(record.id, now=engine.now())
    for child in await unfinished_children(engine.store, record):
        if child.state is RunState.DIVERGED:
            await engine.store.requeue(child.id, now=engine.now())
    engine.node.news()
    if record.owner not in (None, engine.node.id):
        console.say(
            f"run {record.id} of {record.flow} runs in another process (node {record.owner}); followed from here"
        )
        return
    if record.started is None:
        console.say(f"run {record.id} of {record.flow}, submitted {ago(record.created)}, is run here")
        return
    known = board.remember(await engine.store.read(record.num))
    results = f"{known:,} result{'' if known == 1 else 's'} recorded"
    console.say(f"run {record.id} of {record.flow}, begun {ago(record.started)}, is resumed: {results}")


async def _the_unfinished(engine: Engine, call: Call[Any]) -> str | None:
    """The run of this flow and these parameters that has not ended; None when there is none."""
    runs = [
        run
        for run in await engine.store.unfinished(flow=call.flow.name)
        if run.params == call.params and run.parent is None and not _is_for_later(run, engine.now())
    ]
    if len(runs) > 1:
        ids = ", ".join(run.id for run in runs[:5])
        raise UsageError(
            f"{len(runs)} runs of {call.flow.name} with these parameters have not ended ({ids}); "
            f"say which one with --id, or start another with --new"
        )
    return runs[0].id if runs else None


def _is_for_later(run: RunRecord, now: int) -> bool:
    return run.state is RunState.QUEUED and run.wake_at is not None and run.wake_at > now
