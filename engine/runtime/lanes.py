"""Lanes that would stand still for ever: a run awaits, through its children, one that waits for its turn to end."""

from __future__ import annotations

from engine.core.failure import describe, encode
from engine.model.errors import UsageError
from engine.model.run import ENDED, NewRun, RunRecord, RunState
from engine.runtime.recalling import Recalling


async def refused(session: Recalling, child: NewRun) -> bytes | None:
    """The failure record of a child that could never start, and is not to be made; None for any other."""
    above = None if child.lane is None else await _in_the_way(session, child.lane)
    if above is None:
        return None
    known = await session.stored(session.host.find_child(child.id))
    if known is not None and not known.held:
        return None  # it had its turn before the run above was queued again
    me = session.record
    own = above is me
    end = "it has ended itself" if own else f"run {above.id} of {above.flow} has ended, which awaits this one"
    error = UsageError(
        f"run {me.id} of {me.flow} awaits a run of {child.flow} in {'its own' if own else 'the'} lane {child.lane!r}, "
        f"which could start only when {end}"
    )
    if known is not None:
        await session.stored(session.host.cancel_child(child.id, str(error)))
    return encode(describe(error))


async def _in_the_way(session: Recalling, lane: str) -> RunRecord | None:
    """The run that has its turn in this lane, or waits for it, until the child has ended: ours or one above it."""
    above: RunRecord | None = session.record
    while above is not None:
        # One that stands still has no turn: the next one goes.
        if above.lane == lane and above.state not in ENDED and above.state is not RunState.DIVERGED:
            return above
        above = None if above.parent is None else await session.stored(session.host.find(above.parent))
    return None
