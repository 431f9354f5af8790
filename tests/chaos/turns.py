"""Rules of turns: lanes and singletons, runs in pools, and rates. Each accuses only of what it can be sure of."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Final

from engine.model.limits import Rate
from engine.runtime.pacing import LATE
from tests.chaos.evidence import Evidence
from tests.chaos.history import Seen
from tests.chaos.ledger import Line
from tests.chaos.sight import RunRow

SECOND: Final = 10**9

DELAY: Final = LATE + SECOND // 2
"""Nanoseconds: how long after its place a start may come, and what a busy machine adds until the ledger has it."""

THAWED: Final = 2 * SECOND
"""Nanoseconds after a process stood still in which it may begin what had been its turn before."""


def in_turn(e: Evidence, recorded: Mapping[str, Seen]) -> Iterator[str]:
    """A run was taken although one of its lane that was started before it had not ended.

    It had not when a look that began later saw it unfinished, nor when it began a step whose outcome its owner of
    then recorded: what ended is not written to.
    """
    alive = dict(e.history.unended)
    num = {run.id: run.num for run in e.history.runs.values()}
    first: dict[int, int] = {}
    for line in sorted((line for line in e.ledger if line.what in ("took", "begin")), key=_at):
        if line.what == "took":
            first.setdefault(line.num, line.at)
        elif line.run in num and _is_recorded(line, recorded):
            alive[num[line.run]] = max(line.at, alive.get(num[line.run], 0))
    for lane, runs in _lanes(e).items():
        before = runs[0]
        for run in runs[1:]:
            since, until = first.get(run.num), alive.get(before.num, 0)
            if since is not None and since < until:
                yield (
                    f"{run.id} had its turn in lane {lane} at least {(until - since) / SECOND:.3f} s "
                    f"before {before.id} had ended"
                )
            if alive.get(run.num, 0) > until:
                before = run


def in_order(e: Evidence) -> Iterator[str]:
    """A run is before another one in its lane, although it was started when that had been acknowledged."""
    started = {id: place for place, id in enumerate(e.asked)}
    for lane, runs in _lanes(e).items():
        furthest: RunRow | None = None
        for run in runs:
            if run.id not in started:
                continue
            if furthest is not None and started[run.id] < started[furthest.id]:
                yield f"{furthest.id} is before {run.id} in lane {lane}, and was started after it"
            else:
                furthest = run


def at_once(e: Evidence) -> Iterator[str]:
    """One look saw several unfinished runs of a lane that all had their turn, or of a flow that has but one."""
    flows = {run.lane: run.flow for run in e.history.runs.values()}
    for (lane, nums), (at, turns) in e.history.crowds.items():
        ids = [e.history.runs[num].id for num in nums]
        if turns > 1:
            yield f"{turns} of {ids} in lane {lane} had their turn at {at}"
        elif e.singletons.get(flows[lane]) == "skip":
            yield f"{ids} were unfinished at {at}, and there may be one of {lane}"


def skipped(e: Evidence) -> Iterator[str]:
    """A start was answered with a run of something else, with one that had ended, or made a run nevertheless."""
    runs = {run.id: run for run in e.history.runs.values()}
    for start in e.skipped:
        found = runs.get(start.found)
        if start.id in runs:
            yield f"the start of {start.id} was skipped, and there is such a run"
        if found is None:
            yield f"the start of {start.id} was answered with {start.found}, which the store does not know"
        elif found.lane != f"{start.flow}:{start.params['shop']}" or e.singletons.get(start.flow) != "skip":
            yield f"the start of {start.id} was answered with {found.id}, of lane {found.lane}"
        elif (over := e.history.ended.get(found.num)) is not None and over < start.asked:
            yield (
                f"the start of {start.id} was answered with {found.id}, "
                f"which had ended {(start.asked - over) / SECOND:.3f} s before"
            )


def replaced(e: Evidence) -> Iterator[str]:
    """A run is cancelled that nobody replaced or cancelled, or one that was replaced was not cancelled."""
    for lane, runs in _lanes(e).items():
        if e.singletons.get(runs[0].flow) != "replace":
            continue
        for place, run in enumerate(runs):
            last, asked = place == len(runs) - 1, e.asked.get(run.id)
            if last and run.state == "cancelled" and asked is not None and not asked.cancelled:
                yield f"{run.id}, the last one in lane {lane}, was cancelled"
            elif not last and run.state not in ("cancelled", "succeeded"):
                yield f"{run.id} in lane {lane} was replaced by {runs[place + 1].id}, and is {run.state}"


def crowded(e: Evidence) -> Iterator[str]:
    """One look saw more runs in memory than their flow's pool has slots."""
    for flow, pool in e.desks.items():
        most, at = e.history.busiest.get(flow, (0, 0))
        if most > pool.slots:
            yield f"{most} runs of {flow} were in memory at {at}, and pool {pool.name} has {pool.slots} slots"


def rushed(e: Evidence) -> Iterator[str]:
    """More starts than a rate allows, in a stretch of its time; or more attempts than it has places, in any time.

    Every attempt has its place, and starts up to `DELAY` after it, so some may come closer together than their
    places. What a process did when it had just stood still is left out: its turn may have been long ago.
    """
    for name, rate in e.rates.items():
        lines = [line for line in e.ledger if line.what == "begin" and line.facts.get("rate") == name]
        lines = sorted((line for line in lines if not _stood_still(e, line)), key=_at)
        yield from _in_a_stretch(rate, [line.at for line in lines])
        first: dict[tuple[str, int], int] = {}
        for line in lines:
            first.setdefault((line.key, line.attempt), line.at)
        yield from _in_any_time(rate, sorted(first.values()))


def _in_a_stretch(rate: Rate, starts: list[int]) -> Iterator[str]:
    per = int(rate.per.total_seconds() * SECOND)
    allowed = rate.at_once + (per + DELAY) // rate.interval
    for place, start in enumerate(starts):
        number = bisect_right(starts, start + per - 1) - place
        if number > allowed:
            yield f"{number} starts of rate {rate.name} within {rate.per} from {start}, {allowed} at most"
            return


def _in_any_time(rate: Rate, starts: list[int]) -> Iterator[str]:
    earliest: tuple[int, int] | None = None  # how much room there was at least, and at which start
    for place, start in enumerate(starts):
        used = place * rate.interval - start
        if earliest is None or used < earliest[0]:
            earliest = used, place
        if used - earliest[0] > (rate.at_once - 1) * rate.interval + DELAY:
            since = starts[earliest[1]]
            number, took = place - earliest[1] + 1, (start - since) / SECOND
            yield f"{number} attempts of rate {rate.name} in {took:.3f} s from {since}, {rate.interval} ns apart"
            return


def _lanes(e: Evidence) -> dict[str, list[RunRow]]:
    lanes: defaultdict[str, list[RunRow]] = defaultdict(list)
    for _, run in sorted(e.history.runs.items()):
        if run.lane is not None:
            lanes[run.lane].append(run)
    return lanes


def _is_recorded(line: Line, recorded: Mapping[str, Seen]) -> bool:
    outcomes = (recorded.get(line.key), recorded.get(f"{line.key} {line.attempt}"))
    return any(
        seen is not None and (seen.line.epoch, seen.line.attempt) == (line.epoch, line.attempt) for seen in outcomes
    )


def _at(line: Line) -> int:
    return line.at


def _stood_still(e: Evidence, line: Line) -> bool:
    return any(began <= line.at <= thawed + THAWED for began, thawed in e.frozen.get(line.pid, ()))
