"""Unsent: the lines of a journal whose spans the last owner of a run may not have sent."""

from __future__ import annotations

from collections.abc import Sequence

from engine.model import trace
from engine.model.entry import ATTEMPT, TASK, Entry


def unsent(journal: Sequence[Entry], exported: int) -> list[Entry]:
    """Lines after `exported`; what was copied from another run is that one's to tell, except where a
    part of the trace begins.

    The failed attempts of tasks that are not done with go along, sent or not: the line that ends such a task does
    not say when its last attempt began, the line before it does. Spans that are sent twice have the same ids.
    """
    done = {line.key for line in journal if line.kind == TASK and line.seq <= exported}
    return [
        line
        for line in journal
        if (line.seq > exported and (line.epoch > 0 or line.seq % trace.PART == 0))
        or (line.kind == ATTEMPT and line.key not in done and line.epoch > 0)
    ]
