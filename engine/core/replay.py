"""Replay: what a journal says about each step a flow asks for.

The journal is read once. A step that asks finds its own record, or none; when it finds none, the records that look
like it but were not asked for say whether this is new work or another story than the one that was recorded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

from engine.core.scopes import ATTEMPT_MARK, is_inner, scope_of
from engine.model import entry as kinds
from engine.model.entry import Entry


@dataclass(frozen=True, slots=True)
class Divergence:
    """The flow asked for one thing where the journal has another. `key` is what it asked for is known by."""

    asked: str
    asked_args: str
    recorded: tuple[Entry, ...]
    key: str

    def diff(self) -> str:
        """Both sides, for a person."""
        scope = scope_of(self.key)
        lines = [f"  in scope {scope or '/'}"]
        lines += [f"- recorded: {self._told(line)}   [journal line {line.seq}, {line.outcome}]" for line in self._first]
        if len(self.recorded) > len(self._first):
            lines.append(f"  … and {len(self.recorded) - len(self._first)} more")
        alike = any(self._alike(line) and scope_of(line.key) == scope for line in self._first)
        known = f", known as {_name_in_scope(self.key)}" if alike else ""
        lines.append(f"+ now asks: {self.asked}({self.asked_args}){known}")
        return "\n".join(lines)

    @property
    def _first(self) -> tuple[Entry, ...]:
        return self.recorded[:5]

    def _alike(self, line: Entry) -> bool:
        return (line.name, line.args) == (self.asked, self.asked_args)

    def _told(self, line: Entry) -> str:
        """A record, with what tells it from the call when its name and arguments do not."""
        told = f"{line.name}({line.args})"
        if scope_of(line.key) != scope_of(self.key):
            return f"{told} in scope {scope_of(line.key) or '/'}"
        return f"{told}, known as {_name_in_scope(line.key)}" if self._alike(line) else told


@dataclass(slots=True)
class History:
    """What is known of one key besides its final record."""

    attempts: list[Entry] = field(default_factory=list[Entry])
    started: Entry | None = None
    wait: Entry | None = None

    def begun(self, attempt: int) -> bool:
        """Whether this attempt may have begun. One that waited for its rate again afterwards had not."""
        started, wait = self.started, self.wait
        if started is None or started.attempt != attempt:
            return False
        return wait is None or wait.attempt != attempt or wait.seq < started.seq

    @property
    def span(self) -> int:
        """The id of the step's span."""
        if self.wait is not None:
            return self.wait.span
        if self.attempts:
            return self.attempts[0].parent
        assert self.started is not None
        return self.started.span if self.started.attempt == 1 else self.started.parent


class Replay:
    """The journal of one run, as it is used up."""

    __slots__ = (
        "_records",
        "_taken",
        "_unasked",
        "groups",
        "history",
        "last_group",
        "last_seq",
        "taken_signals",
        "total",
    )

    def __init__(self, journal: Sequence[Entry]) -> None:
        """`journal` is in order of `seq`."""
        self._records: dict[str, Entry] = {}
        self._taken: set[str] = set()
        self._unasked: _Unasked | None = None
        self.groups: deque[list[str]] = deque()
        """The keys that have yet to reach the flow, in the groups in which they did; the first is next."""
        self.history: dict[str, History] = {}
        self.taken_signals: dict[int, set[str]] = {}
        self.last_seq = journal[-1].seq if journal else -1
        self.last_group = max(map(_GROUP, journal), default=-1)
        records = self._records
        groups: dict[int, list[str]] = {}
        moved: dict[str, int] = {}
        for line in journal:
            kind, key = line.kind, line.key
            if kind != kinds.TASK:
                if kind in _NOTES:
                    self._note(line, moved)
                    continue
                if kind == kinds.SIGNAL and line.attempt > 0:
                    self.taken_signals.setdefault(line.attempt, set()).add(key)
            records[key] = line
            if (kind == kinds.TASK or kind in kinds.DELIVERED) and ATTEMPT_MARK not in key:
                number = line.group
                if number in groups:
                    groups[number].append(key)
                else:
                    groups[number] = [key]
        self.total = len(records)
        self.groups.extend(_in_order(groups, moved))

    def _note(self, line: Entry, moved: dict[str, int]) -> None:
        match line.kind:
            case kinds.ATTEMPT:
                self.history.setdefault(line.key, History()).attempts.append(line)
            case kinds.STARTED:
                self.history.setdefault(line.key, History()).started = line
            case kinds.WAIT:
                self.history.setdefault(line.key, History()).wait = line
            case _:
                moved[line.key] = line.group

    @property
    def over(self) -> bool:
        """True when every recorded group has reached the flow, or was passed over."""
        return not self.groups

    def record(self, key: str) -> Entry | None:
        """The final record of a step, if there is one."""
        return self._records.get(key)

    def take(self, key: str) -> Entry | None:
        """The record of a step that asks for it: it can no longer be mistaken for something unasked."""
        line = self._records.get(key)
        if line is not None:
            self.took(line)
        return line

    def took(self, line: Entry) -> None:
        """A record was asked for and given."""
        self._taken.add(line.key)
        if self._unasked is not None:
            self._unasked.drop(line)

    def give_back(self, line: Entry) -> bool:
        """The flow gave up on this signal before it saw it; True when no other step of the journal has received it."""
        keys = self.taken_signals.get(line.attempt, set())
        keys.discard(line.key)
        if not keys:
            self.taken_signals.pop(line.attempt, None)
        return not keys

    def diverges(self, *, key: str, name: str, args: str) -> Divergence | None:
        """Why a step without a record is not simply new work; None when it is.

        Ask when replay has come to rest. A record of the same name in the same scope with other arguments, or of
        the same name and arguments in any scope, that nobody has asked for, is divergence. Lines that a rerun was
        given (their epoch is 0) are an offer, not this run's own story: they may go unasked.
        """
        scope = scope_of(key)
        if self._unasked is None:
            self._unasked = _Unasked(self._left())
        unasked = [
            line
            for line in self._unasked.like(scope, name, args)
            if line.epoch and line.outcome != kinds.CANCELLED and not is_inner(line.key)
        ]
        if not unasked:
            return None
        return Divergence(asked=name, asked_args=args, recorded=tuple(unasked), key=key)

    def unasked(self) -> list[Entry]:
        """Final records that the flow has not asked for, in journal order."""
        return sorted((line for line in self._left() if not is_inner(line.key)), key=lambda line: line.seq)

    def _left(self) -> list[Entry]:
        return [line for key, line in self._records.items() if key not in self._taken]


_GROUP: Final = attrgetter("group")


def _name_in_scope(key: str) -> str:
    return key.rpartition("/")[2]


_NOTES: Final = frozenset({kinds.ATTEMPT, kinds.STARTED, kinds.WAIT, kinds.MOVED})
"""Lines that are about a step without ending it."""


def _in_order(groups: dict[int, list[str]], moved: dict[str, int]) -> list[list[str]]:
    """The groups as they reached the flow; a key that was moved belongs to its last place only."""
    if moved:
        groups = {number: [key for key in keys if key not in moved] for number, keys in groups.items()}
        for key, number in moved.items():
            groups.setdefault(number, []).append(key)
    return [groups[number] for number in sorted(groups) if groups[number]]


class _Unasked:
    """Records that nobody has asked for, by where they stand and by what they call. Made when first needed."""

    __slots__ = ("_by_call", "_by_place")

    def __init__(self, lines: Iterable[Entry]) -> None:
        self._by_place: dict[tuple[str, str], dict[str, Entry]] = {}
        self._by_call: dict[tuple[str, str], dict[str, Entry]] = {}
        for line in lines:
            self._by_place.setdefault((scope_of(line.key), line.name), {})[line.key] = line
            self._by_call.setdefault((line.name, line.args), {})[line.key] = line

    def like(self, scope: str, name: str, args: str) -> list[Entry]:
        """Of this name in this scope; without any there, of this name and these arguments anywhere."""
        return [*self._by_place.get((scope, name), {}).values()] or [*self._by_call.get((name, args), {}).values()]

    def drop(self, line: Entry) -> None:
        """Somebody has asked for it."""
        self._by_place.get((scope_of(line.key), line.name), {}).pop(line.key, None)
        self._by_call.get((line.name, line.args), {}).pop(line.key, None)
