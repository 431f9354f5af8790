"""Rows: from the table's columns to the model's values, and back."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection

from engine.model.limits import Takes
from engine.model.run import NewRun, NodeRecord, RunRecord, RunState


def to_run(row: sqlite3.Row) -> RunRecord:
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
        sampled=bool(row["sampled"]),
        parent=row["parent"],
        parent_key=row["parent_key"],
        parent_span=unsigned(row["parent_span"]),
        rerun_of=row["rerun_of"],
        origin=row["origin"],
        tags=tuple(json.loads(row["tags"])),
        scheduled_for=row["scheduled_for"],
        exported=row["exported"],
        priority=row["priority"],
        rank=row["rank"],
        queue=row["queue"],
        requires=tuple(json.loads(row["requires"])),
        lane=row["lane"],
        held=bool(row["held"]),
    )


def from_new_run(run: NewRun) -> dict[str, object]:
    """The parameters of `insert_run.sql`."""
    return {
        "id": run.id,
        "flow": run.flow,
        "version": run.version,
        "fingerprint": run.fingerprint,
        "python": run.python,
        "due": run.due,
        "created": run.created,
        "timeout": run.timeout,
        "scheduled_for": run.scheduled_for,
        "trace": run.trace,
        "span": signed(run.span),
        "sampled": run.sampled,
        "parent": run.parent,
        "parent_key": run.parent_key,
        "parent_span": signed(run.parent_span),
        "rerun_of": run.rerun_of,
        "origin": run.origin,
        "tags": array(run.tags),
        "params": run.params,
        "priority": run.priority,
        "rank": run.rank,
        "queue": run.queue,
        "requires": array(run.requires),
        "lane": run.lane,
    }


def from_takes(takes: Takes) -> dict[str, object]:
    """The parameters by which `find_due_runs.sql` and `next_due.sql` choose."""
    return {
        "queues": None if takes.queues is None else array(takes.queues),
        "tags": None if takes.tags is None else array(takes.tags),
        "elsewhere": json.dumps([*takes.elsewhere]),
    }


def to_node(row: sqlite3.Row, *, alive: bool) -> NodeRecord:
    """The record of one row of `node`."""
    duty = json.loads(row["duty"])
    return NodeRecord(
        id=row["id"],
        pid=row["pid"],
        host=row["host"],
        started=row["started"],
        flows=tuple(json.loads(row["flows"])),
        alive=alive,
        versions=tuple(duty.get("versions", ())),
        queues=None if duty.get("queues") is None else tuple(duty["queues"]),
        tags=tuple(duty.get("tags", ())),
        concurrency=duty.get("concurrency", 0),
    )


def duty_of(node: NodeRecord) -> str:
    """What a node tells of itself besides its flows, as JSON."""
    return json.dumps(
        {"versions": node.versions, "queues": node.queues, "tags": node.tags, "concurrency": node.concurrency}
    )


def array(values: Collection[str] | Collection[int]) -> str:
    """A list as one parameter, to be taken apart by `json_each`."""
    return json.dumps([*values])


def signed(span: int) -> int:
    """SQLite's integers have a sign; span ids that come from elsewhere use all 64 bits."""
    return span - (1 << 64) if span >> 63 else span


def unsigned(span: int) -> int:
    """The span id that `signed` was given."""
    return span & 0xFFFF_FFFF_FFFF_FFFF
