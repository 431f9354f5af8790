"""current(): who am I, for code inside a run."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, cast

from engine.context import CURRENT


class Identity(Protocol):
    """What a run in memory tells code inside it. Implemented by the runtime's sessions and attempts."""

    @property
    def run_id(self) -> str: ...
    @property
    def flow(self) -> str: ...
    @property
    def scheduled_for(self) -> datetime: ...
    @property
    def started(self) -> datetime: ...
    @property
    def tags(self) -> tuple[str, ...]: ...
    def report(self, key: str, done: float, total: float | None, message: str) -> None: ...
    def idempotency_key(self, key: str) -> str: ...


class InHand(Protocol):
    """The attempt whose body is running."""

    @property
    def name(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def attempt(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Current:
    """A run, and the task of it that is running, seen from inside.

    task, key      the task's name and step key; empty in the flow itself
    attempt        1 for the first
    scheduled_for  the tick that started the run, also in a backfill; when it was created, without one
    started        when the run was first started
    """

    run_id: str
    flow: str
    task: str
    key: str
    attempt: int
    scheduled_for: datetime
    started: datetime
    tags: tuple[str, ...]
    _identity: Identity | None = None

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt of this task in this run, over crashes: give it to whatever you change outside."""
        return self._identity.idempotency_key(self.key) if self._identity else f"{self.run_id}:{self.key}"

    @property
    def logger(self) -> logging.LoggerAdapter[logging.Logger]:
        """Lines logged here are kept with the run."""
        name = f"headrace.flow.{self.flow}" if self.flow else "headrace.flow"
        return _RunLogger(logging.getLogger(name), {"run_id": self.run_id, "task": self.task})

    def progress(self, done: float, total: float | None = None, message: str = "") -> None:
        """Show people how far this task is. Not recorded; the last report wins."""
        if self._identity is not None:
            self._identity.report(self.key, done, total, message)


class _RunLogger(logging.LoggerAdapter[logging.Logger]):
    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        kwargs["extra"] = {**(self.extra or {}), **kwargs.get("extra", {})}
        return msg, kwargs


def current() -> Current:
    """The run and the task this code belongs to; a stand-in outside an engine, so that the code can be tested."""
    scope = CURRENT.get()
    if scope is None:
        at = datetime.now(UTC)
        return Current("outside", "", "", "", 1, at, at, ())
    identity = cast("Identity", scope.session)
    body = cast("InHand | None", scope.body)
    return Current(
        run_id=identity.run_id,
        flow=identity.flow,
        task=body.name if body else "",
        key=body.key if body else "",
        attempt=body.attempt if body else 1,
        scheduled_for=identity.scheduled_for,
        started=identity.started,
        tags=identity.tags,
        _identity=identity,
    )
