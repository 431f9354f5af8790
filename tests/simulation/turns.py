"""Rules of turns: lanes, singletons, and rates."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import pairwise, zip_longest
from typing import Final

from engine.admission import ASKED_FOR
from engine.model.limits import NORMAL, QUEUE
from engine.model.run import RunRecord
from tests.simulation import expected
from tests.simulation.ledger import Effect
from tests.simulation.limited import CALLS, STARTS
from tests.simulation.schedule import ENOUGH, Schedule
from tests.simulation.server import START

RATES: Final = {rate.name: rate for rate in (CALLS, STARTS)}

DELAY: Final = 1.0
"""Seconds after its place in which a start may come, as `docs/limits.md` promises."""

INSTANT: Final = 1e-6
"""Seconds: what is lost between nanoseconds and the loop's clock."""


def in_turn(s: Schedule) -> Iterator[str]:
    """An effect of a run began when another one of its lane had its turn."""
    for one in s.ledger.effects:
        if one.aside:
            yield f"{one.task} of {one.run} ({one.process}, epoch {one.epoch}) began beside {', '.join(one.aside)}"


def placed(s: Schedule) -> Iterator[str]:
    """A run does not wait where it was put: in its lane, its queue, with its priority and what it requires."""
    asked = {one.id: one for one in s.plan.runs}
    for run in s.server.runs.values():
        above = asked[run.id.partition("/")[0]]
        lane = expected.lane(run.flow, json.loads(run.params))
        priority = NORMAL if above.priority is None else above.priority
        wanted = (lane, priority, above.queue or QUEUE, above.requires)
        if (run.lane, run.priority, run.queue, run.requires) != wanted:
            yield f"{run.id} waits in {(run.lane, run.priority, run.queue, run.requires)} instead of {wanted}"


def in_order(s: Schedule) -> Iterator[str]:
    """A run is before another one in its lane, although it was asked for when that had been acknowledged."""
    runs = sorted(s.server.runs.values(), key=lambda run: run.num)
    for place, run in enumerate(runs):
        for later in runs[place + 1 :]:
            if run.lane is None or later.lane != run.lane:
                continue
            asked, acknowledged = s.asked.get(run.id), s.acknowledged.get(later.id)
            if asked is not None and acknowledged is not None and acknowledged < asked:
                yield f"{run.id} is before {later.id} in lane {run.lane}, and was started after it"


def skipped(s: Schedule) -> Iterator[str]:
    """A start was skipped, and made a run nevertheless."""
    ids = {run.id for run in s.server.runs.values()}
    for id, found in s.skipped.items():
        if id in ids:
            yield f"the start of {id} was answered with {found}, and there is such a run"


def replaced(s: Schedule) -> Iterator[str]:
    """Each run but the last is cancelled by the next one, unless a client was faster; and nobody else is."""
    reigns = [run for run in s.server.runs.values() if run.flow == "reign"]
    lanes: dict[str | None, list[RunRecord]] = {}
    for run in sorted(reigns, key=lambda run: run.num):
        lanes.setdefault(run.lane, []).append(run)
    for runs in lanes.values():
        for run, after in pairwise(runs):
            if run.cancel not in (ENOUGH, f"replaced by run {after.id}"):
                yield f"{run.id} was cancelled because of {run.cancel!r}, and {after.id} came next"
        if runs[-1].cancel != ENOUGH:
            yield f"{runs[-1].id}, the last one, was cancelled because of {runs[-1].cancel!r}"


def spread(s: Schedule) -> Iterator[str]:
    """More places of a rate in a stretch of its time than it allows."""
    for name, places in s.server.witness.places.items():
        rate = RATES[name.removeprefix(ASKED_FOR).partition(":")[0]]
        per = int(rate.per.total_seconds() * 1e9)
        line = sorted(places)
        for first, last in zip(line, line[rate.limit :], strict=False):
            if last - first < per:
                yield f"rate {name} has {rate.limit + 1} places within {(last - first) / 1e9} s, from {first}"


def rushed(s: Schedule) -> Iterator[str]:
    """A start of a rate without a place of its own, or longer after it than a start may come.

    Where a clock was set, the process and the store are not of one mind about when it is.
    """
    if s.plan.jumps:
        return
    rates: dict[str, list[Effect]] = {}
    for one in s.ledger.effects:
        if one.rate:
            rates.setdefault(one.rate, []).append(one)
    for name, starts in rates.items():
        places = iter(sorted((place - START) / 1e9 for place in s.server.witness.places[name]))
        for one in sorted(starts, key=lambda one: one.at):
            place = next((place for place in places if place >= one.at - DELAY - INSTANT), None)
            if place is None or place > one.at + INSTANT:
                yield f"{one.task} of {one.run} began at {one.at:.3f} s, and its rate {name} had no place for it then"
                break


def early(s: Schedule) -> Iterator[str]:
    """A run of a flow with a rate was taken before its place."""
    metered = {num for num, run in s.server.runs.items() if run.flow == "metered"}
    return _before_place(
        s, f"{ASKED_FOR}{STARTS.name}", "taken", ((one.num, one.at) for one in s.server.claims if one.num in metered)
    )


def unasked(s: Schedule) -> Iterator[str]:
    """A run of a flow with a rate began, by its first effect, before it had a place among those that were taken up."""
    metered = {run.id for run in s.server.runs.values() if run.flow == "metered"}
    begun = ((one.run, one.at) for one in s.ledger.effects if one.run in metered)
    return _before_place(s, STARTS.name, "begun", begun)


def _before_place(s: Schedule, rate: str, what: str, moments: Iterable[tuple[object, float]]) -> Iterator[str]:
    """The first moments of runs against the places of a rate; times of nodes whose clock was set say nothing."""
    if s.plan.jumps:
        return
    places = sorted(s.server.witness.places.get(rate, ()))
    first: dict[object, float] = {}
    for run, at in moments:
        first.setdefault(run, at)
    for place, at in zip_longest(places[: len(first)], sorted(first.values())):
        if place is None or at + INSTANT < (place - START) / 1e9:
            yield f"{len(first)} runs of {STARTS.name}, of which one was {what} at {at:.3f} s, before its place"
            break
