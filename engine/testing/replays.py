"""assert_replays: a flow is killed at each of its commits, resumed, and compared with the run that nobody killed."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from engine.client import RunHandle
from engine.current import current
from engine.flow import Call, Flow
from engine.model import entry as kinds
from engine.model.entry import Entry
from engine.model.errors import RunError
from engine.model.run import ENDED, RunState
from engine.ports.telemetry import RunIdentity
from engine.stores.blobs import MemoryBlobs
from engine.testing.bench import engine
from engine.testing.clock import START, nanoseconds
from engine.testing.disk import Disk, RememberingStore
from engine.testing.script import Signals

R = TypeVar("R")

RUN_ID: Final = "replayed"


class ReplayFailed(AssertionError):
    """A resumed run did something else than the one that was not killed; the text says where and what."""


@dataclass(frozen=True, slots=True)
class Executed:
    """The body of a task was called."""

    run: str
    key: str
    attempt: int
    task: str


@dataclass(slots=True)
class Life:
    """What one process made of the run: how it ended, what it executed, and every state the disk was in."""

    outcome: str
    result: Any
    error: RunError | None
    executed: list[Executed]
    past: list[Disk]
    lines: list[Entry] = field(default_factory=list[Entry])


async def assert_replays(
    call: Call[R],
    *,
    flows: Iterable[Flow[..., Any]] = (),
    signals: Signals = (),
    start: datetime = START,
    linger: timedelta | None = None,
    same_result: bool = True,
) -> R:
    """Run a flow once; then, for each commit it made, crash there, resume, and compare. Returns the flow's result.

    call         the flow with its parameters: `bill.bind(order)`
    flows        child flows that are not found through the flow's own module
    signals      payloads by name, sent whenever a run waits for them
    start        the time on the clock at the beginning
    linger       how long a waiting run stays in memory; `timedelta(0)` also takes it out of memory at every wait
    same_result  False for a flow whose result depends on which task happens to be quicker: a crash may change that

    Raises ReplayFailed, naming the crash and showing the difference, when a task whose result had been recorded is
    executed again, when the run diverges, when it ends differently, or when it records other steps. A flow that raises
    is as good as one that returns: its exception is compared, and then raised as RunFailed.
    """
    with_children = [*_reachable(call.flow, [*flows])]
    blobs = MemoryBlobs()

    async def live(disk: Disk | None) -> Life:
        return await _live(call, disk, flows=with_children, signals=signals, blobs=blobs, start=start, linger=linger)

    whole = await live(None)
    _check_once("without a crash", whole)
    crashes = [disk for disk in whole.past if (run := disk.run(RUN_ID)) is not None and run.state not in ENDED]
    for number, disk in enumerate(crashes):
        resumed = await live(disk)
        _compare(_Crash(number, len(crashes), disk), whole, resumed, same_result=same_result)
        _check_once(f"{_Crash(number, len(crashes), disk)}, and then", resumed)
    if whole.error is not None:
        raise whole.error
    result: R = whole.result
    return result


async def _live(
    call: Call[Any],
    disk: Disk | None,
    *,
    flows: list[Flow[..., Any]],
    signals: Signals,
    blobs: MemoryBlobs,
    start: datetime,
    linger: timedelta | None,
) -> Life:
    executed: list[Executed] = []

    def called(run: RunIdentity, span: int) -> None:
        """The engine is about to call a task's body, in this context."""
        me = current()
        executed.append(Executed(run.run_id, me.key, me.attempt, me.task))

    store = RememberingStore(disk=disk)
    made = engine(flows=flows, signals=signals, start=start, store=store, blobs=blobs, linger=linger)
    made.node.attach = called
    store.clock = made.clock.now
    if disk is not None:
        made.clock.go_to(max(disk.at, nanoseconds(start)))
    async with made:
        run = await made.start(call, id=RUN_ID)
        outcome, result, error = await _outcome(run)
        lines = store.disk().lines()
    return Life(outcome, result, error, executed, store.past, lines)


async def _outcome(run: RunHandle[Any]) -> tuple[str, Any, RunError | None]:
    """How the run ended: as text, and as a value or an error. Raises Stuck."""
    try:
        result = await run.result()
    except RunError as error:
        return f"{await run.state()}: {error}", None, error
    return f"{RunState.SUCCEEDED}: {result!r}", result, None


@dataclass(frozen=True, slots=True)
class _Crash:
    """One crash, for the text of a failure."""

    number: int
    of: int
    disk: Disk

    def __str__(self) -> str:
        lines = self.disk.lines()
        last = f"the last line on disk was {_line(lines[-1])}" if lines else "nothing was on disk but the run itself"
        return f"killed after commit {self.number} of {self.of - 1}, {last}"


def _compare(crash: _Crash, whole: Life, resumed: Life, *, same_result: bool) -> None:
    names = {row.record.num: row.record.id for row in crash.disk.rows.values()}
    recorded = {(names[line.run], line.key): line for line in crash.disk.lines() if is_final(line)}
    failed = {(names[line.run], line.key, line.attempt) for line in crash.disk.lines() if line.kind == kinds.ATTEMPT}
    again = [
        one for one in resumed.executed if (one.run, one.key) in recorded or (one.run, one.key, one.attempt) in failed
    ]
    if again:
        shown = "\n".join(f"  {one.task}, attempt {one.attempt}, key {one.key}" for one in again)
        raise ReplayFailed(f"{crash}:\nthese were recorded and were executed again\n{shown}")
    if resumed.outcome.startswith(RunState.DIVERGED):
        raise ReplayFailed(f"{crash}:\n{resumed.outcome}")
    if same_result and resumed.outcome != whole.outcome:
        raise ReplayFailed(f"{crash}:\n- uninterrupted: {whole.outcome}\n+ resumed:       {resumed.outcome}")
    if same_result and (difference := _difference(whole.lines, resumed.lines)):
        raise ReplayFailed(f"{crash}:\nother steps were recorded\n{difference}")


def _check_once(when: str, life: Life) -> None:
    """In one process nothing is executed twice, not even when the run left memory in between."""
    twice = [one for one, times in Counter(life.executed).items() if times > 1]
    if twice:
        shown = "\n".join(f"  {one.task}, attempt {one.attempt}, key {one.key}" for one in twice)
        raise ReplayFailed(f"{when}:\nthese were executed twice\n{shown}")


def is_final(line: Entry) -> bool:
    """True for the record of a task that will not be executed again, whatever happens."""
    return line.kind == kinds.TASK and line.outcome in (kinds.OK, kinds.ERROR)


def _difference(whole: list[Entry], resumed: list[Entry]) -> str:
    """Steps and outcomes that only one side has, as a diff; the order in which steps ended does not count."""
    before, after = (sorted(_line(line) for line in lines if _was_seen(line)) for lines in (whole, resumed))
    return "\n".join(difflib.unified_diff(before, after, "uninterrupted", "resumed", lineterm="", n=0))


def _was_seen(line: Entry) -> bool:
    """A step that was called off may not even have begun the second time."""
    return line.kind in kinds.DELIVERED and line.outcome != kinds.CANCELLED


def _line(line: Entry) -> str:
    return f"{line.name}({line.args}) {line.outcome}   [{line.key}]"


def _reachable(flow: Flow[..., Any], others: list[Flow[..., Any]]) -> Iterator[Flow[..., Any]]:
    """A flow, those it names in its module, and those they name."""
    seen: dict[str, Flow[..., Any]] = {}
    waiting = [flow, *others]
    while waiting:
        one = waiting.pop()
        if one.name in seen:
            continue
        seen[one.name] = one
        with suppress(AttributeError):
            waiting += [
                used for name in one.fn.__code__.co_names if isinstance(used := one.fn.__globals__.get(name), Flow)
            ]
    yield from seen.values()
