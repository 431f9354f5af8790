"""The store's server: applies what arrives, decides whose lease has expired, and keeps evidence of every write."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine.flow import Flow
from engine.model.change import Batch, Ended, Parked, Released
from engine.model.entry import Entry
from engine.model.run import ENDED, RunRecord
from engine.ports.journal import Written
from engine.stores.blobs import MemoryBlobs
from engine.stores.memory import MemoryStore
from tests.simulation.evidence import Claim, Forgotten, Line, Move, Refusal
from tests.simulation.loop import VirtualLoop
from tests.simulation.trace import Trace
from tests.simulation.witness import Witness

START: Final = 1_767_225_600 * 10**9
"""Nanoseconds since the epoch at which every schedule begins."""

LEASE: Final = 2.0
"""Seconds for which a node owns what it owns after it was last heard of."""


@dataclass(eq=False)
class Member:
    """A node as the server sees it. `silent` is since when its lease is not renewed, `expelled` when it was buried."""

    name: str
    silent: float | None = None
    left: float = LEASE
    expelled: float | None = None


TOUCHES: Final = frozenset({"create", "signal", "cancel", "requeue", "copy_journal"})
"""Calls that are news for every node, the caller's own included."""


class Server:
    """One memory store, and what surrounds it."""

    def __init__(self, loop: VirtualLoop, trace: Trace, versions: Mapping[str, Mapping[str, Flow[..., Any]]]) -> None:
        self.writes = 0
        self.writes_by: Final[defaultdict[str, int]] = defaultdict(int)
        self.store: Final = MemoryStore()
        self.blobs: Final = MemoryBlobs()
        self.witness: Final = Witness(self.store, self.blobs, versions)
        self.members: Final[dict[str, Member]] = {}
        self.mute: Final[set[str]] = set()  # those that are silent before they have joined
        self.lines: Final[list[Line]] = []
        self.moves: Final[list[Move]] = []
        self.claims: Final[list[Claim]] = []
        self.refusals: Final[list[Refusal]] = []
        self.forgotten: Final[dict[int, Forgotten]] = {}
        self.on_news: Callable[[str, bool], None] = lambda _name, _own: None
        self.on_end: Callable[[], None] = lambda: None
        self._loop = loop
        self._trace = trace
        self.note = trace.note

    def perform(self, name: str, call: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Apply a call at once, as one transaction. Raises what the store raises."""
        if call in READS:
            return self._answer(call, args, kwargs)
        if call == "rescue":
            self._expire(name)
        elif call == "reserve":
            kwargs["now"] = self.now()  # as PostgreSQL does, it goes by its own clock
        elif call == "prune":
            return self._prune(name, kwargs)
        elif call == "release" and self.store._slots.get((args[0], kwargs["run"], kwargs["key"])) != name:
            return None  # as PostgreSQL's does, the store of a node frees that node's slots only
        known = kwargs.pop("known", ())
        answer = self._answer(call, args, kwargs)
        if call == "claim" and answer:
            self._claimed(name, kwargs, answer, known)
        if answer or call not in CHANCES:
            self.written(name)
        if call in SEEN:
            self._seen(name, call, args, kwargs, answer)
        return answer

    def _prune(self, name: str, kwargs: dict[str, Any]) -> Any:
        rows, signals, blobs = dict(self.store._rows), self.store._signals, dict(self.blobs._objects)
        answer = self._answer("prune", (), kwargs)
        for num in rows.keys() - self.store._rows.keys():
            run = rows[num].record
            parent = self.store._rows.get(run.parent or 0)
            self.forgotten[num] = Forgotten(
                self._loop.time(),
                name,
                run,
                kwargs["ended_before"],
                None if parent is None else parent.record,
                [signal for signal in signals if signal.run == num],
                None if run.result_blob is None else blobs.get(run.result_blob),
            )
        self.witness.thrown_away(answer[1])
        self.written(name)
        self._trace.note("prune", name, *answer)
        return answer

    @property
    def runs(self) -> dict[int, RunRecord]:
        """Every run there was, as it is or was last, by number."""
        return {num: one.run for num, one in self.forgotten.items()} | {
            num: row.record for num, row in self.store._rows.items()
        }

    def _answer(self, call: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        coroutine = getattr(self.store, call)(*args, **kwargs)
        try:
            coroutine.send(None)
        except StopIteration as stop:
            return stop.value
        raise AssertionError(f"{call} of the memory store waits for something")

    def written(self, name: str) -> None:
        """A transaction of this node has changed something."""
        self.writes += 1
        self.writes_by[name] += 1

    def others(self, name: str) -> int:
        """How many transactions of others there were."""
        return self.writes - self.writes_by[name]

    def now(self) -> int:
        """Nanoseconds since the epoch, by the server's clock."""
        return START + int(self._loop._seconds * 1e9)

    def _seen(self, name: str, call: str, args: tuple[Any, ...], kwargs: dict[str, Any], answer: Any) -> None:
        match call:
            case "reserve":
                self.witness.reserved(args[0], kwargs["now"] + answer)
                self._trace.note("place", name, args[0], answer)
                return
            case "create":
                self.witness.created(args[0], answer[0], made=answer[1])
                self._trace.note("create", name, args[0].id, answer[0].id, answer[0].lane)
                self.on_news(name, True)
                self.on_end()
                return
            case "join":
                self.members[name] = Member(name, self._loop.time() if name in self.mute else None)
            case "leave":
                self.on_news(name, False)
            case "rescue" if answer:
                self.on_news(name, False)
                self.on_end()
            case _ if call in TOUCHES:
                self.on_news(name, True)
                self.on_end()
            case _:
                return
        self._trace.note(call, name, args[0] if isinstance(args[0] if args else None, str) else "")

    def _claimed(self, name: str, kwargs: dict[str, Any], runs: list[RunRecord], known: Collection[str]) -> None:
        for run in runs:
            self._trace.note("claim", name, run.id, run.epoch)
            self.claims.append(Claim(self._loop.time(), name, run.num, run.epoch))
        self.witness.claimed(name, runs, named=kwargs.get("only") is not None, known=known)

    def write(self, name: str, batch: Batch, written: Written) -> None:
        """Apply a batch, and tell what became of it at once."""
        before = {num: row.record for num in batch.epochs if (row := self.store._rows.get(num)) is not None}
        outcome: list[tuple[frozenset[int], Exception | None]] = []
        self.store.write(batch, lambda fenced, error: outcome.append((fenced, error)))
        ((fenced, error),) = outcome
        if error is None:
            self.written(name)
            self._landed(name, batch, fenced, before)
        self._trace.note("write", name, [(one.run, one.seq) for one in batch.entries], sorted(fenced), str(error))
        written(fenced, error)

    def write_one(self, name: str, entry: Entry) -> bool | None:
        """Apply one line."""
        row = self.store._rows.get(entry.run)
        landed = self.store.write_one(entry)
        if landed and row is not None:
            self.written(name)
            self.lines.append(Line(self._loop.time(), name, entry, row.record.epoch, row.record.owner))
            self.witness.named(entry.run, entry.blob)
        self._trace.note("line", name, entry.run, entry.seq, landed)
        return landed

    def _landed(self, name: str, batch: Batch, fenced: frozenset[int], before: dict[int, RunRecord]) -> None:
        now = self._loop.time()
        for entry in batch.entries:
            if entry.run not in fenced:
                was = before[entry.run]
                self.lines.append(Line(now, name, entry, was.epoch, was.owner))
                self.witness.named(entry.run, entry.blob)
        for change in batch.changes:
            if change.num not in fenced:
                what = type(change).__name__
                self.moves.append(
                    Move(now, name, what, change.num, batch.epochs[change.num], before[change.num], self._open(change))
                )
                if isinstance(change, Ended):
                    self.witness.named(change.num, change.result_blob)
                elif isinstance(change, Parked):
                    self.witness.left(name, self.store._rows[change.num].record)
                self._trace.note("move", name, what, change.num)
        if any(isinstance(change, (Ended, Released)) for change in batch.changes):
            self.on_news(name, False)
        if batch.changes:
            self.on_end()

    def _open(self, change: object) -> tuple[str, ...]:
        if not isinstance(change, Ended) or change.state not in ENDED:
            return ()
        rows = self.store._rows.values()
        return tuple(row.record.id for row in rows if row.record.parent == change.num and row.record.state not in ENDED)

    def _expire(self, asking: str) -> None:
        for name, member in self.members.items():
            if name != asking and name in self.store._nodes and self._expired(member):
                member.expelled = self._loop.time()
                self._trace.note("expelled", name)
                self.store.lose(name)

    def _expired(self, member: Member) -> bool:
        return member.silent is not None and self._loop.time() > member.silent + member.left

    def is_doubtful(self, name: str) -> bool:
        """A quarter of the lease before it is over, a node no longer trusts it."""
        member = self.members.get(name)
        if member is None or member.silent is None:
            return member is not None and member.expelled is not None
        return self._loop.time() > member.silent + member.left - LEASE / 4

    def is_buried(self, name: str) -> bool:
        """True when others have taken what this node had."""
        return name in self.members and self.members[name].expelled is not None

    @property
    def over(self) -> bool:
        """True when every run there is has ended."""
        return all(row.record.state in ENDED for row in self.store._rows.values())


READS: Final = frozenset(
    {"find", "find_num", "read", "signals", "signals_after", "cancelled", "children", "nodes", "holders", "next_due"}
    | {"time", "beat", "unfinished", "list_runs", "count_runs", "logs"}
)
"""Calls that change nothing."""

CHANCES: Final = frozenset({"claim", "rescue", "acquire"})
"""Calls that change nothing when they answer nothing."""

SEEN: Final = TOUCHES | {"join", "leave", "rescue", "reserve"}
