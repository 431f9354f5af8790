"""Rows: from the table's columns to the model's values, and back."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from engine.model.limits import Takes
from engine.model.run import LogLine, NewRun, NodeRecord, RunRecord
from engine.stores.postgres.connect import Row
from engine.stores.rows import columns_of, node_of, run_of


def to_run(row: Row) -> RunRecord:
    """The record of one row of `run`."""
    return run_of(row, tags=row["tags"], requires=row["requires"])


def from_new_run(run: NewRun) -> Sequence[object]:
    """The parameters of `insert_run.sql`, but for what to do when its lane is taken, and whom to tell what."""
    return [*columns_of(run, list).values()]


def from_takes(flows: Collection[str], takes: Takes) -> Sequence[object]:
    """The parameters of `kinds.sql`, by which claims and `next_due.sql` choose among runs of these flows."""
    pools = takes.pools.values()
    return (
        [*flows],
        None if takes.queues is None else [*takes.queues],
        None if takes.tags is None else [*takes.tags],
        [flow for flow, _ in takes.elsewhere],
        [version for _, version in takes.elsewhere],
        [*takes.pools],
        [pool.name for pool in pools],
        [pool.slots for pool in pools],
    )


def to_node(row: Row) -> NodeRecord:
    """The record of one row of `node`."""
    return node_of(row, flows=row["flows"], alive=row["alive"], silent=row["silent"])


def from_log(line: LogLine) -> Sequence[object]:
    """The columns of a log line. What the server cannot keep is replaced: user code logs whatever it likes."""
    return (
        line.run,
        line.at,
        storable(line.level),
        storable(line.logger),
        storable(line.message),
        line.task,
        line.attempt,
        line.span,
    )


def storable(text: str) -> str:
    """The text without zero characters and lone surrogates, which PostgreSQL's `text` does not hold."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
