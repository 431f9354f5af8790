"""Services: background activities with a name, all started and all stopped together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import anyio

from engine.core.failure import members_of
from engine.model.errors import StoreError

_log = logging.getLogger("headrace.node")


@dataclass(frozen=True, slots=True)
class Service:
    """A name, and what runs until cancelled. Cancelling is stopping.

    `run` calls `ready` when it does its job; a loop may say so in each round.
    """

    name: str
    run: Callable[[Callable[[], None]], Coroutine[Any, Any, None]]


async def supervise(services: Sequence[Service], ready: Callable[[], None]) -> None:
    """Start services in order, call `ready` when all of them are, and keep them until cancelled.

    A service that fails stops the others, and its error comes out.
    """
    starting = {service.name for service in services}

    def says_so(name: str) -> None:
        if name in starting:
            starting.remove(name)
            if not starting:
                ready()

    try:
        async with anyio.create_task_group() as group:
            for service in services:
                group.start_soon(service.run, partial(says_so, service.name), name=f"headrace {service.name}")
    except BaseExceptionGroup as errors:
        raise _first(errors) from errors


async def bear_with(error: StoreError, pause: timedelta) -> None:
    """The store cannot write for now. It may soon: a node that gave up would take all its runs with it."""
    _log.error("the store cannot write, trying again: %s", error)
    await asyncio.sleep(pause.total_seconds())


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = errors
    while members := members_of(error):
        error = members[0]
    return error
