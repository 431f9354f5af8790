"""Services: background activities with a name, all started and all stopped together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import anyio
from anyio.abc import TaskStatus

from engine.core.failure import members_of
from engine.model.errors import StoreError

_log = logging.getLogger("headrace.node")


@dataclass(frozen=True, slots=True)
class Service:
    """A name, and what runs until cancelled. Cancelling is stopping.

    `run` calls `ready` when it does its job; a loop may say so in each round.
    """

    name: str
    run: Callable[[Callable[[], None]], Awaitable[None]]


async def supervise(services: Sequence[Service], ready: Callable[[], None]) -> None:
    """Start services in order, each when the one before is ready, and keep them until cancelled.

    A service that fails stops the others, and its error comes out.
    """
    try:
        async with anyio.create_task_group() as group:
            for service in services:
                await group.start(_started, service, name=f"headrace {service.name}")
            ready()
    except BaseExceptionGroup as errors:
        raise _first(errors) from errors


async def _started(service: Service, *, task_status: TaskStatus[None]) -> None:
    said = False

    def ready() -> None:
        nonlocal said
        if not said:
            said = True
            task_status.started()

    await service.run(ready)


async def bear_with(error: StoreError, pause: timedelta) -> None:
    """The store cannot write for now. It may soon: a node that gave up would take all its runs with it."""
    _log.error("the store cannot write, trying again: %s", error)
    await asyncio.sleep(pause.total_seconds())


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = errors
    while members := members_of(error):
        error = members[0]
    return error
