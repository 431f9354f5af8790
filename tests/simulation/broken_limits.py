"""Nodes that do not keep to limits: lanes, singletons, pools, rates, duties and versions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from engine import admission, client
from engine.model.limits import Rate, Takes
from engine.model.run import NewRun
from engine.runtime import childruns, duty, pacing
from tests.simulation.broken_store import Patch


def children_anywhere(patch: Patch) -> None:
    """A child run goes without its lane."""
    made = admission.admitted

    def admitted(*args: Any, **kwargs: Any) -> NewRun:
        return made(*args, **kwargs)._replace(lane=None)

    patch.setattr(childruns, "admitted", admitted)


def every_start(patch: Patch) -> None:
    """A singleton that skips is one that queues."""
    made = admission.admitted

    def admitted(*args: Any, **kwargs: Any) -> NewRun:
        new = made(*args, **kwargs)
        return new._replace(occupied="queue") if new.occupied == "skip" else new

    patch.setattr(client, "admitted", admitted)


def nobody_replaced(patch: Patch) -> None:
    """A run that is to be replaced goes on."""
    made = admission.admitted

    def admitted(*args: Any, **kwargs: Any) -> NewRun:
        new = made(*args, **kwargs)
        return new._replace(occupied="queue") if new.occupied == "replace" else new

    patch.setattr(client, "admitted", admitted)


def no_pools(patch: Patch) -> None:
    """A node does not tell the store which pools its flows have."""
    made = duty.takes_of

    def takes_of(*args: Any, **kwargs: Any) -> Takes:
        return replace(made(*args, **kwargs), pools={})

    patch.setattr(duty, "takes_of", takes_of)


def every_queue(patch: Patch) -> None:
    """A node takes runs of any queue."""
    made = duty.takes_of

    def takes_of(*args: Any, **kwargs: Any) -> Takes:
        return replace(made(*args, **kwargs), queues=None)

    patch.setattr(duty, "takes_of", takes_of)


def oldest_first(patch: Patch) -> None:
    """Priorities are forgotten."""

    def rank(*, since: int, priority: int) -> int:
        return since

    patch.setattr(admission, "rank", rank)


def no_patience(patch: Patch) -> None:
    """A step starts without waiting for its place."""

    async def until(*_: object) -> None:
        """Nothing is waited for."""

    patch.setattr(pacing, "until", until)


def all_together(patch: Patch) -> None:
    """Who comes back long after its place starts all the same."""
    patch.setattr(pacing, "HALF", 10**11)


def wide_burst(patch: Patch) -> None:
    """What may come at once is not counted."""
    patch.setattr(Rate, "interval", property(lambda rate: int(rate.per.total_seconds() * 1e9) // rate.limit))


def children_at_once(patch: Patch) -> None:
    """A child run of a flow with a rate is due at once."""

    async def in_time(_: object, new: NewRun, __: object) -> NewRun:
        return new

    patch.setattr(childruns, "_in_time", in_time)


def begun_at_once(patch: Patch) -> None:
    """A run of a flow with a rate begins as soon as it is taken up."""

    async def begun(_: object) -> None:
        """Nobody is asked."""

    patch.setattr(pacing, "begun", begun)


def every_version(patch: Patch) -> None:
    """A node leaves no run to nodes of another version."""
    made = duty.takes_of

    def takes_of(*args: Any, **kwargs: Any) -> Takes:
        return replace(made(*args, **kwargs), elsewhere=frozenset())

    patch.setattr(duty, "takes_of", takes_of)
