"""One call of a task, from the moment it is performed to the line that ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, cast

from engine.context import RunScope
from engine.core.scopes import attempt_span
from engine.model import entry as kinds
from engine.model.entry import Entry
from engine.runtime.recalling import Recalling
from engine.runtime.recording import ARGS_SHOWN
from engine.task import Task

_as_entry = partial(cast("Callable[..., Entry]", tuple.__new__), Entry)  # pyright: ignore[reportUnknownMemberType]


class Attempt(NamedTuple):
    """The attempt whose body is running: what `current()` tells inside a task."""

    name: str
    key: str
    attempt: int


class Step:
    """One call of a task: who asks, what for, and under which names it is recorded."""

    __slots__ = (
        "announced",
        "args",
        "attempt",
        "attempt_began",
        "began",
        "key",
        "kwargs",
        "me",
        "placed",
        "scope",
        "session",
        "span",
        "task",
        "text",
    )

    def __init__(
        self,
        session: Recalling,
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
        self.announced = 0
        """The last attempt whose start was put on disk before it."""
        self.placed = 0
        """The last attempt whose place in a rate is on record: its start must be as well, or it could be used twice."""

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
            session.num, session.next_seq(), session.group, kind, self.key, self.task.name, self.text[:ARGS_SHOWN],
            self.attempt, started, at, span, parent, outcome, value, blob, session.epoch,
        )  # fmt: skip

    def final(self, outcome: str, value: bytes, at: int, blob: str | None = None) -> Entry:
        """The line that ends the step."""
        session = self.session
        return _as_entry((  # as `line` does; this is called for every step
            session.num, session.next_seq(), session.group, kinds.TASK, self.key, self.task.name,
            self.text[:ARGS_SHOWN], self.attempt, self.began, at, self.span, self.scope.span, outcome, value, blob,
            session.epoch,
        ))  # fmt: skip

    def started_line(self) -> Entry:
        """What tells that the attempt in hand has begun."""
        return self.line(
            kinds.STARTED, kinds.PENDING, b"null",
            at=self.attempt_began, started=self.attempt_began, span=self.attempt_span, parent=self.above,
        )  # fmt: skip

    def runs(self) -> None:
        """The body has begun to wait, or runs in a thread: from now on people can see that it runs."""
        if self.announced != self.attempt:
            self.session.note_started(self)

    @property
    def above(self) -> int:
        """The parent of the attempt's span."""
        return self.scope.span if self.attempt == 1 else self.span

    @property
    def attempt_span(self) -> int:
        """The first attempt is the task's span; each further one has its own beneath it."""
        return self.span if self.attempt == 1 else attempt_span(self.span, self.attempt)
