"""Leaks: what is left in nodes that have nothing to do any more."""

from __future__ import annotations

from collections.abc import Iterator

from tests.simulation.machines import Machine
from tests.simulation.server import Server


def of_all(server: Server, alive: list[Machine]) -> Iterator[str]:
    """When every run has ended and all has settled."""
    names = {machine.process.name for machine in alive}
    for slot in server.perform("client", "holders", (), {}):
        if slot[3] in names:  # else of one that is dead, and not buried yet
            yield f"a slot is held when all is over: {slot}"
    for machine in alive:
        if not machine.process.dead:
            yield from _of(machine)


def _of(machine: Machine) -> Iterator[str]:
    node, name = machine.node, machine.process.name
    left = {
        "stays": len(node.stays),
        "sessions": len(node.sessions),
        "arriving": len(node.stays._arriving),
        "called off": len(node.stays._called_off),
        "stranded": len(node.stays.stranded),
        "background": len(node._background),
        "waiters": len(node.ends),
        "lines for slots": sum(len(line) for line in node._slots._lines.values()),
        "unwritten": int(not node.commit.idle),
    }
    for what, count in left.items():
        if count:
            yield f"{name} has {count} {what} left"
    for task in machine.process.tasks:
        if task.done() and getattr(task, "_log_traceback", False):
            yield f"nobody heard of the failure of {task!r}"
