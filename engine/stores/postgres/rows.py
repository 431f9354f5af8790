"""Rows: from the table's columns to the model's values, and back."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

from engine.model.limits import Takes
from engine.model.run import LogLine, NewRun, NodeRecord, RunRecord, RunState
from engine.stores.postgres.connect import Row


def to_run(row: Row) -> RunRecord:
    """The record of one row of `run`."""
    return RunRecord(
        num=row["num"],
        id=row["id"],
        flow=row["flow"],
        version=row["version"],
        fingerprint=row["fingerprint"],
        python=row["python"],
        params=row["params"],
        state=RunState(row["state"]),
        epoch=row["epoch"],
        owner=row["owner"],
        created=row["created"],
        started=row["started"],
        ended=row["ended"],
        wake_at=row["due"] or None,
        timeout=row["timeout"],
        crashes=row["crashes"],
        cancel=row["cancel"],
        result=row["result"],
        result_blob=row["result_blob"],
        error=row["error"],
        trace=row["trace"],
        span=unsigned(row["span"]),
        sampled=row["sampled"],
        parent=row["parent"],
        parent_key=row["parent_key"],
        parent_span=unsigned(row["parent_span"]),
        rerun_of=row["rerun_of"],
        origin=row["origin"],
        tags=tuple(row["tags"]),
        scheduled_for=row["scheduled_for"],
        exported=row["exported"],
        priority=row["priority"],
        rank=row["rank"],
        queue=row["queue"],
        requires=tuple(row["requires"]),
        lane=row["lane"],
        held=row["held"],
    )


def from_new_run(run: NewRun) -> Sequence[object]:
    """The parameters of `insert_run.sql`, but for whether the run is held in its lane, and whom to tell what."""
    return (
        run.id,
        run.flow,
        run.version,
        run.fingerprint,
        run.python,
        run.due,
        run.created,
        run.timeout,
        run.scheduled_for,
        run.trace,
        signed(run.span),
        run.sampled,
        run.parent,
        run.parent_key,
        signed(run.parent_span),
        run.rerun_of,
        run.origin,
        [*run.tags],
        run.params,
        run.priority,
        run.rank,
        run.queue,
        [*run.requires],
        run.lane,
    )


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
    duty = json.loads(row["duty"])
    return NodeRecord(
        id=row["id"],
        pid=row["pid"],
        host=row["host"],
        started=row["started"],
        flows=tuple(row["flows"]),
        alive=row["alive"],
        versions=tuple(duty.get("versions", ())),
        queues=None if duty.get("queues") is None else tuple(duty["queues"]),
        tags=tuple(duty.get("tags", ())),
        concurrency=duty.get("concurrency", 0),
        lease=duty.get("lease"),
    )


def duty_of(node: NodeRecord, *, lease: float) -> str:
    """What a node tells of itself besides its flows, as JSON."""
    told = {"versions": node.versions, "queues": node.queues, "tags": node.tags, "concurrency": node.concurrency}
    return json.dumps({**told, "lease": lease})


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


def signed(span: int) -> int:
    """PostgreSQL's integers have a sign; span ids that come from elsewhere use all 64 bits."""
    return span - (1 << 64) if span >> 63 else span


def unsigned(span: int) -> int:
    """The span id that `signed` was given."""
    return span & 0xFFFF_FFFF_FFFF_FFFF
