"""Rules of pruning: what is forgotten, and what is kept."""

from __future__ import annotations

from collections.abc import Iterator

from engine.model.run import ENDED
from tests.simulation.schedule import Schedule
from tests.simulation.server import START


def too_early(s: Schedule) -> Iterator[str]:
    """A run was forgotten that had not ended, or not for as long as history is kept."""
    for one in s.server.forgotten.values():
        run = one.run
        if run.state not in ENDED or run.ended is None:
            yield f"{one.process} forgot {run.id}, which is {run.state}"
        elif run.ended >= one.before:
            yield f"{one.process} forgot {run.id}, which ended after what was to be forgotten"
        elif not s.plan.jumps and one.at - (run.ended - START) / 1e9 < (s.plan.keep or 0.0):
            yield f"{one.process} forgot {run.id} {one.at - (run.ended - START) / 1e9:.3f} s after its end"


def awaited(s: Schedule) -> Iterator[str]:
    """A run was forgotten whose parent has not ended: it may ask for it once more."""
    for one in s.server.forgotten.values():
        if one.parent is not None and one.parent.state not in ENDED:
            yield f"{one.process} forgot {one.run.id} while {one.parent.id} was {one.parent.state}"


def torn(s: Schedule) -> Iterator[str]:
    """Of a forgotten run something is left, or a large value is gone that somebody names."""
    store, blobs = s.server.store, s.server.blobs._objects
    left = [*store._entries, *(signal.run for signal in store._signals), *(line.run for _, line in store._logs)]
    for num in sorted({*left, *(run for _, run, _ in store._slots)} - store._rows.keys()):
        yield f"run {num} is forgotten, and has left something in the store"
    for num, row in store._rows.items():
        names = [*(entry.blob for entry in store._entries[num].values()), row.record.result_blob]
        for name in names:
            if name is not None and name not in blobs:
                yield f"{row.record.id} names {name}, which is gone"
