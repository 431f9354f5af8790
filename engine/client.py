"""Runs seen from outside: start, watch, signal and cancel them."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, Generic, TypeVar

from engine import codeprint
from engine.admission import ASKED_FOR, admitted, rate_of
from engine.core.codec import Codec
from engine.core.failure import Failure, decode
from engine.flow import Call
from engine.misuse import check_call
from engine.model.errors import RunCancelled, RunConflict, RunDiverged, RunFailed, UnknownRun, UsageError
from engine.model.run import ENDED, NewRun, RunRecord, RunState
from engine.ports.blobs import Blobs
from engine.ports.store import Store
from engine.runtime.node import Node

R = TypeVar("R")

HELD = 365 * 86_400 * 10**9
"""Nanoseconds: a year, for a run that waits for what is copied to it."""

ID_LIMIT = 200

POLL = 0.02
"""Seconds between two looks at a store that another process's node works on."""


class RunHandle(Generic[R]):
    """One run, by its id. Made by `Client.start` and `Client.get`.

    created  this very start made the run
    skipped  it made none: the flow is a singleton that skips, and this is the unfinished run that it found
    """

    def __init__(self, client: Client, record: RunRecord, codec: Codec) -> None:
        self._client = client
        self._codec = codec
        self._record = record
        self.created = False
        self.skipped = False

    @property
    def id(self) -> str:
        """The run's id."""
        return self._record.id

    @property
    def num(self) -> int:
        """The store's number of the run."""
        return self._record.num

    async def record(self) -> RunRecord:
        """The run as the store has it now. Raises UnknownRun when it has been pruned."""
        return await self._client.record(self.id)

    async def state(self) -> RunState:
        """Where the run is in its life."""
        return (await self.record()).state

    async def result(self) -> R:
        """Wait for the end of the run and return what the flow returned.

        Raises RunFailed with the type, text and stack of the flow's exception, RunCancelled, or RunDiverged.
        Cancelling the waiting leaves the run alone.
        """
        record = await self._client.ended(self._record.num)
        return await self.outcome(record)

    async def outcome(self, record: RunRecord) -> R:
        """The result of a run that has ended; see `result`."""
        match record.state:
            case RunState.SUCCEEDED:
                data = record.result or b"null"
                if record.result_blob is not None:
                    data = await self._client.blobs.get(record.result_blob)
                value: R = self._codec.decode(data)
                return value
            case RunState.CANCELLED:
                reason = failure_of(record)["message"]
                raise RunCancelled(
                    f"run {record.id} of {record.flow} was cancelled: {reason}", run_id=record.id, flow=record.flow
                )
            case RunState.DIVERGED:
                message = failure_of(record)["message"]
                diff = message.partition("\n")[2]  # beneath the sentence that `execution` puts on top
                raise RunDiverged(message, run_id=record.id, flow=record.flow, diff=diff)
            case _:
                failure = failure_of(record)
                kind = failure["type"].rpartition(":")[2]
                raise RunFailed(
                    f"run {record.id} of {record.flow} failed: {kind}: {failure['message']}",
                    run_id=record.id,
                    flow=record.flow,
                    error_type=failure["type"].replace(":", "."),
                    error_message=failure["message"],
                    traceback=failure["traceback"],
                )

    async def signal(self, name: str, payload: Any = None) -> None:
        """Send a signal; it is on disk when this returns. Raises RunConflict when the run has ended."""
        await self._client.signal(self.id, name, payload)

    async def cancel(self, reason: str = "cancelled by its caller") -> None:
        """Ask for cancellation; `result` tells when it has happened."""
        await self._client.cancel(self.id, reason)


class Client:
    """Talks to a store. Runs nothing itself: a node, here or elsewhere, does."""

    def __init__(self, store: Store, blobs: Blobs, node: Node | None = None) -> None:
        self.store = store
        self.blobs = blobs
        self._node = node

    async def start(
        self,
        call: Call[R],
        *,
        id: str | None = None,
        tags: Iterable[str] = (),
        origin: str = "",
        due: datetime | None = None,
        rerun_of: str | None = None,
        priority: int | None = None,
        queue: str | None = None,
        requires: Iterable[str] = (),
    ) -> RunHandle[R]:
        """Start a run; it is on disk when this returns. The same id and parameters again are the same run.

        `priority` (0 to 9) and `queue` go before what the flow declares, `requires` is added to it. Starting a
        singleton that skips while one is unfinished answers that one, with `skipped` set.
        Raises RunConflict when the id belongs to a run of another flow or with other parameters, UsageError for
        anything but a flow with its parameters.
        """
        check_call(call)
        self._check_running()
        new = new_run(call, id=id, tags=tuple(tags), origin=origin, due=due, rerun_of=rerun_of, now=self.now())
        new = admitted(new, call, priority=priority, queue=queue, requires=requires)
        new = await self._in_time(new, call)
        record, created = await self.store.create(new)
        skipped = record.id != new.id
        if not created and not skipped:
            refuse_other(record, new)
        await self._tell_node(record)
        handle: RunHandle[R] = RunHandle(self, record, call.flow.codec)
        handle.created, handle.skipped = created, skipped
        return handle

    def _check_running(self) -> None:
        """Raise UsageError when the store is not open; who made a plain client has opened it."""

    async def _in_time(self, new: NewRun, call: Call[Any]) -> NewRun:
        """The run, due when the rate of its flow lets it start."""
        rate = rate_of(call)
        if rate is None or await self.store.find(new.id) is not None:
            return new
        interval, burst = rate[0].interval, rate[0].at_once
        delay = await self.store.reserve(f"{ASKED_FOR}{rate[1]}", interval=interval, burst=burst, now=new.created)
        return new._replace(due=max(new.due, self.now() + delay)) if delay else new

    async def _tell_node(self, record: RunRecord) -> None:
        if self._node is None:
            return
        self._node.duty.take_on(record.num)
        self._node.news()
        if record.lane is not None:
            await self._node.look()  # it may have replaced others, which are asked to end

    async def start_from(
        self, call: Call[R], source: RunRecord, keys: Collection[str], *, id: str, now: int
    ) -> RunHandle[R]:
        """Start a run with results of another one: its lines are there before any node can take it up.

        Raises RunConflict when the id is in use.
        """
        far = now + HELD  # until its lines are there; copying them makes it due
        plain = new_run(call, id=id, now=now, rerun_of=source.id, origin=source.origin)
        new = admitted(plain, call, priority=source.priority, queue=source.queue, requires=source.requires)
        # Not skipped, nor replacing others: somebody asked for this very run.
        new = new._replace(due=far, scheduled_for=source.scheduled_for, occupied="queue")
        record, created = await self.store.create(new)
        if not created:
            raise RunConflict(f"the id {id!r} is in use; choose another one for the rerun")
        await self.store.copy_journal(source.num, record.num, keys, now=now)
        await self._tell_node(record)
        handle: RunHandle[R] = RunHandle(self, record, call.flow.codec)
        handle.created = True
        return handle

    async def get(self, run_id: str, call: Call[R] | None = None) -> RunHandle[Any]:
        """A handle on a run that exists. Raises UnknownRun."""
        record = await self.record(run_id)
        return RunHandle(self, record, self._codec_of(record.flow) if call is None else call.flow.codec)

    async def record(self, run_id: str) -> RunRecord:
        """A run as the store has it. Raises UnknownRun."""
        self._check_running()
        record = await self.store.find(run_id)
        if record is None:
            raise UnknownRun(f"there is no run {run_id!r} in {self.store.description}; `headrace runs` lists them")
        return record

    async def signal(self, run_id: str, name: str, payload: Any = None) -> None:
        """Send a signal to a run. Raises UnknownRun, RunConflict."""
        self._check_running()
        data = Codec(Any, f"signal {name!r}").encode(payload)
        await self.store.signal(run_id, name, data, now=self.now())
        if self._node is not None:
            await self._node.look()

    async def cancel(self, run_id: str, reason: str = "cancelled by its caller") -> RunRecord:
        """Ask for cancellation of a run. Raises UnknownRun."""
        self._check_running()
        record = await self.store.cancel(run_id, reason, now=self.now())
        if self._node is not None:
            self._node.told_to_cancel(record, reason)
        return record

    async def ended(self, num: int) -> RunRecord:
        """The run, when it has ended or stands still."""
        self._check_running()
        record = await self.store.find_num(num)
        while record is not None and not is_over(record):
            if self._node is not None:
                record = await self._node.watch(num)
            else:
                await asyncio.sleep(POLL)
                record = await self.store.find_num(num)
        if record is None:
            raise UnknownRun(f"run number {num} is gone: it was pruned while somebody waited for it")
        return record

    def now(self) -> int:
        """Nanoseconds since the epoch, by the node's clock where there is one."""
        return self._node.clock.now() if self._node is not None else time.time_ns()

    def _codec_of(self, flow: str) -> Codec:
        known = self._node.flows.get(flow) if self._node is not None else None
        return known.codec if known is not None else Codec(Any, f"flow {flow}")


def new_run(
    call: Call[Any],
    *,
    now: int,
    id: str | None = None,
    tags: tuple[str, ...] = (),
    origin: str = "",
    due: datetime | None = None,
    rerun_of: str | None = None,
) -> NewRun:
    """A run to be created, its trace chosen. Trace ids never begin with 0: some backends print those cut."""
    options = call.flow.options
    if id is not None and (not id or len(id) > ID_LIMIT or "/" in id or not id.isprintable() or id != id.strip()):
        raise UsageError(
            f"{id[:80]!r} cannot be a run id: use 1 to {ID_LIMIT} printable characters without `/` (child runs have it)"
        )
    return NewRun(
        id=id or f"{call.flow.name}-{secrets.token_hex(6)}",
        flow=call.flow.name,
        params=call.params,
        created=now,
        version=options.version,
        fingerprint=codeprint.fingerprint(call.flow),
        python=codeprint.PYTHON,
        due=0 if due is None else int(due.timestamp() * 1e9),
        timeout=None if options.timeout is None else int(options.timeout.total_seconds() * 1e9),
        trace=secrets.choice("123456789abcdef") + secrets.token_hex(16)[1:],
        span=secrets.randbits(54) + 1,
        rerun_of=rerun_of,
        origin=origin,
        tags=(*options.tags, *tags),
    )


def refuse_other(record: RunRecord, new: NewRun) -> None:
    """Raise RunConflict when an id stands for something else."""
    if record.flow != new.flow:
        raise RunConflict(f"the id {new.id!r} belongs to a run of {record.flow}; choose another id for {new.flow}")
    if record.params != new.params:
        raise RunConflict(
            f"run {new.id} of {new.flow} was started with {_shown(record.params)}, not with {_shown(new.params)}; "
            f"choose another id for other parameters"
        )


def is_over(record: RunRecord) -> bool:
    """True when waiting longer changes nothing."""
    return record.state in ENDED or record.state is RunState.DIVERGED


def failure_of(record: RunRecord) -> Failure:
    """The failure record of a run, an empty one if there is none."""
    if record.error is None:
        return Failure(type="", message="", args=None, notes=[], traceback="", errors=None)
    return decode(record.error)


def _shown(params: bytes) -> str:
    pairs = json.loads(params)
    return ", ".join(f"{name}={json.dumps(value)}" for name, value in pairs.items()) or "no parameters"
