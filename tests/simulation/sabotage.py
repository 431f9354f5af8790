"""Sabotages: ways to break the engine, and for each the law that is to notice, within how many schedules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tests.simulation import broken_limits, broken_runs, broken_store, witness
from tests.simulation.broken_store import Patch
from tests.simulation.checker import Finding
from tests.simulation.playing import play


@dataclass(frozen=True)
class Sabotage:
    """`law` is the one that has to be found broken within so many schedules."""

    name: str
    law: str
    within: int
    apply: Callable[[Patch], None]


ENDS: Final = "acknowledged runs end, and rightly"

SABOTAGES: Final = (
    Sabotage("the store checks no epoch", "old epochs write nothing", 1000, broken_store.no_epochs),
    Sabotage("a claim does not raise the epoch", "one owner at a time", 100, broken_store.same_epoch),
    Sabotage("a slot is not given back", "nothing is left behind", 100, broken_runs.kept_slot),
    Sabotage("a slot is taken again while it goes back", "a pool is never overdrawn", 2000, broken_runs.hasty_slot),
    Sabotage("a node does not look at the store", ENDS, 200, broken_runs.deaf),
    Sabotage("a signal is lost when a run leaves memory", ENDS, 4000, broken_runs.lost_wake),
    Sabotage("a signal is lost behind another", ENDS, 500, broken_runs.two_signals_in_one),
    Sabotage("nobody takes over from the dead", ENDS, 100, broken_store.no_rescue),
    Sabotage("results are replayed in another order", ENDS, 1000, broken_runs.out_of_order),
    Sabotage("a journal's last line is overlooked", "a recorded step never runs again", 200, broken_runs.forgetful),
    Sabotage(
        "results are seen before they are on disk",
        "a step starts when the one before is recorded",
        200,
        broken_runs.too_early,
    ),
    Sabotage("an attempt is not announced", "what asks first is not repeated blindly", 2000, broken_runs.unannounced),
    Sabotage("lines are written behind lost ones", "a journal has no holes", 2000, broken_runs.holes),
    Sabotage(
        "a parent does not wait for its cancelled child", "a parent outlives its children", 200, broken_runs.hurried_end
    ),
    Sabotage("a node that leaves keeps its runs", ENDS, 200, broken_store.leaving_kept),
    Sabotage("nobody waits for the one before in a lane", witness.TURNS, 200, broken_store.no_turns),
    Sabotage("the last one of a lane is the next", witness.TURNS, 200, broken_store.first_of_all),
    Sabotage("a child goes without its lane", "a run waits where it was put", 200, broken_limits.children_anywhere),
    Sabotage("a singleton that skips makes every run", witness.SKIPPED, 200, broken_limits.every_start),
    Sabotage("a run that is to be replaced goes on", witness.REPLACED, 200, broken_limits.nobody_replaced),
    Sabotage("a flow's pool is not told", witness.POOLS, 500, broken_limits.no_pools),
    Sabotage("a node takes runs of any queue", witness.DUTY, 200, broken_limits.every_queue),
    Sabotage("priorities are forgotten", witness.URGENT, 500, broken_limits.oldest_first),
    Sabotage("a step does not wait for its place", "a rate is kept", 200, broken_limits.no_patience),
    Sabotage("who is late starts with the others", "a rate is kept", 1000, broken_limits.all_together),
    Sabotage("what comes at once is not counted", "a rate has room for its places", 500, broken_limits.wide_burst),
    Sabotage(
        "a child of a rate is due at once", "a run with a rate starts at its place", 500, broken_limits.children_at_once
    ),
    Sabotage(
        "a run of a rate begins when it is taken up",
        "a run with a rate begins at its place",
        200,
        broken_limits.begun_at_once,
    ),
    Sabotage("a large result that is lost is not missed", witness.BLOBS, 1000, broken_runs.unkept),
    Sabotage("a parent is in its child's way", ENDS, 500, broken_runs.in_the_way),
    Sabotage(
        "cancelled twice, a step forgets its child", "a parent outlives its children", 2000, broken_runs.told_once
    ),
    Sabotage("a node leaves no run to another version", witness.VERSION, 500, broken_limits.every_version),
    Sabotage("a run keeps a version that it has left", witness.VERSION, 1000, broken_store.versions_kept),
    Sabotage("what was to fail goes on", "what must not be repeated fails its run", 1000, broken_runs.told_of_fatal),
    Sabotage(
        "who has a place counts as begun", "an outcome is unknown when an attempt had begun", 2000, broken_runs.doubtful
    ),
    Sabotage(
        "a child is forgotten while its parent goes on",
        "a child is not forgotten before its parent ends",
        500,
        broken_store.orphans,
    ),
    Sabotage("what has just ended is forgotten", "what is forgotten ended long ago", 200, broken_store.hasty_pruning),
    Sabotage(
        "a large value goes with the first that names it",
        witness.BLOBS,
        2000,
        broken_store.named_blobs,
    ),
    Sabotage("signals outlive their run", "a run is forgotten as a whole", 500, broken_store.crumbs),
    Sabotage("a node in doubt goes on", witness.CHILD, 3000, broken_runs.careless),
)


def found(sabotage: Sabotage) -> tuple[int, Finding] | None:
    """After how many schedules the law was found broken; the sabotage has been applied."""
    for seed in range(sabotage.within):
        for finding in play(seed).findings:
            if finding.law == sabotage.law:
                return seed + 1, finding
    return None
