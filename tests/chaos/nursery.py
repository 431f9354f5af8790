"""The nursery: a process that has loaded everything and is forked into nodes, so that a new one costs milliseconds.

It reads orders from its standard input, a JSON object a line, and says who was born and who has died. When the input
ends, so do it and all its nodes.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import sys
import time
from typing import Any, Final

from engine import codeprint
from engine.flow import Flow
from tests.chaos import flows
from tests.chaos.a_node import Orders, main

LOADED: Final = ("asyncpg", "engine.stores.postgres.store", "engine.stores.sqlite.store", "observability.telemetry")
"""What nodes would load later, each for itself."""

LOOK: Final = 0.01
"""Seconds between two looks for the dead."""


def _serve() -> None:
    alive: set[int] = set()
    known: set[int] = set()
    for name in LOADED:
        importlib.import_module(name)
    prepared: Flow[..., Any]
    for prepared in flows.FLOWS:
        for part in codeprint.reachable(prepared):
            part.codec.prepare()
    while True:
        ready, _, _ = select.select([0], [], [], LOOK)
        if ready:
            line = sys.stdin.readline()
            if not line:
                break
            orders = Orders(**json.loads(line))
            pid = _born(orders, known)
            alive.add(pid)
            _say("born", pid, orders.slot)
        _bury(alive, os.WNOHANG)
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
    while alive:
        _bury(alive, 0)


def _born(orders: Orders, known: set[int]) -> int:
    """A node, by a process number that none has had: evidence tells them apart by it, and systems give it twice."""
    while True:
        pid = os.fork()
        if pid == 0:
            os.close(0)
            os._exit(main(orders))
        if pid not in known:
            known.add(pid)
            return pid
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _bury(alive: set[int], flags: int) -> None:
    while alive:
        pid, status = os.waitpid(-1, flags)
        if not pid:
            return
        alive.discard(pid)
        _say("died", pid, os.waitstatus_to_exitcode(status))


def _say(word: str, pid: int, number: int) -> None:
    print(json.dumps([word, pid, number, time.monotonic_ns()]), flush=True)


if __name__ == "__main__":
    _serve()
