"""What a process needs to simulate: drawn secrets, no threads that watch real time, and no log of the dying."""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final, cast

from engine import client as client_module
from engine.runtime import execution, pruning
from engine.runtime import node as node_module
from engine.runtime.scoping import root_task
from tests.simulation.client import Secrets
from tests.simulation.loop import PROCESS

SECRETS: Final = Secrets()
"""What clients draw ids from; seeded for each schedule."""

PRUNED_EVERY: Final = 0.7
"""Seconds between two looks of a node for what has grown old: a schedule is over before a real one looks again."""


@contextmanager
def simulating() -> Generator[None]:
    """Set this process up to simulate. Within another one, it costs nothing."""
    node, client, stay, prune = (cast("Any", module) for module in (node_module, client_module, execution, pruning))
    if client.secrets is SECRETS:
        yield
        return
    watch, secrets, again, level = node.LoopWatch, client.secrets, prune.AGAIN, logging.getLogger("headrace").level
    node.LoopWatch, client.secrets, stay.root_task, prune.AGAIN = _Unwatched, SECRETS, _planted, PRUNED_EVERY
    logging.getLogger("headrace").setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)  # of the dead
            yield
    finally:
        node.LoopWatch, client.secrets, stay.root_task, prune.AGAIN = watch, secrets, root_task, again
        logging.getLogger("headrace").setLevel(level)


def _planted(*args: Any, **options: Any) -> asyncio.Task[Any]:
    """The root of a run, which is made past the loop: it belongs to the process that makes it."""
    task, process = root_task(*args, **options), PROCESS.get()
    assert process is not None
    process.tasks.append(task)
    return task


class _Unwatched:
    """In place of the thread that watches real time."""

    def __init__(self, *_: object) -> None:
        pass

    def start(self) -> None:
        """Nobody watches."""

    def stop(self) -> None:
        """Nobody watched."""
