"""The life of a run, as a table. Whoever wants to know whether a move is legal asks here.

Add a state or a move only together with the statement in every store that makes it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from engine.model.run import RunState


class Move(StrEnum):
    """What can happen to a run."""

    CLAIM = "claim"
    PARK = "park"
    WAKE = "wake"
    RELEASE = "release"
    RESCUE = "rescue"
    GIVE_UP = "give up"
    SUCCEED = "succeed"
    FAIL = "fail"
    CANCEL = "cancel"
    DIVERGE = "diverge"
    REQUEUE = "requeue"


MOVES: Final[dict[tuple[RunState, Move], RunState]] = {
    (RunState.QUEUED, Move.CLAIM): RunState.RUNNING,
    (RunState.QUEUED, Move.CANCEL): RunState.CANCELLED,
    (RunState.RUNNING, Move.PARK): RunState.WAITING,
    (RunState.RUNNING, Move.RELEASE): RunState.QUEUED,
    (RunState.RUNNING, Move.RESCUE): RunState.QUEUED,
    (RunState.RUNNING, Move.GIVE_UP): RunState.FAILED,
    (RunState.RUNNING, Move.SUCCEED): RunState.SUCCEEDED,
    (RunState.RUNNING, Move.FAIL): RunState.FAILED,
    (RunState.RUNNING, Move.CANCEL): RunState.CANCELLED,
    (RunState.RUNNING, Move.DIVERGE): RunState.DIVERGED,
    (RunState.WAITING, Move.WAKE): RunState.QUEUED,
    (RunState.WAITING, Move.CLAIM): RunState.RUNNING,
    (RunState.WAITING, Move.CANCEL): RunState.QUEUED,
    (RunState.DIVERGED, Move.REQUEUE): RunState.QUEUED,
    (RunState.DIVERGED, Move.CANCEL): RunState.CANCELLED,
}
"""A waiting run that is cancelled is queued once more, so that its `except` and `finally` blocks can run."""


class IllegalMove(Exception):
    """The engine tried a move that the table does not have: a bug, never a user's fault."""


def advance(state: RunState, move: Move) -> RunState:
    """The state after a move. Raises IllegalMove."""
    try:
        return MOVES[state, move]
    except KeyError:
        raise IllegalMove(f"a run that is {state} cannot {move}") from None
