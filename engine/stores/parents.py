"""Parents: a child run is made by the node that owns its parent, and by no other."""

from __future__ import annotations

from engine.model.errors import Fenced
from engine.model.run import NewRun, RunRecord


def check_parent(run: NewRun, parent: RunRecord | None) -> None:
    """Raise Fenced when the parent that a new run names has another owner by now, or is gone."""
    if run.parent_epoch is not None and (parent is None or parent.epoch != run.parent_epoch):
        raise Fenced(f"run {run.id} is not made: another node owns its parent now")
