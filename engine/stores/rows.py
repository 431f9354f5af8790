"""Rows: what the columns of a store in SQL mean, whatever driver they come from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from engine.model.limits import Pool
from engine.model.run import NewRun, NodeRecord, RunRecord, RunState


class Row(Protocol):
    """What a driver answers: columns by their names."""

    def __getitem__(self, name: str, /) -> Any: ...


def run_of(row: Row, *, tags: Iterable[str], requires: Iterable[str]) -> RunRecord:
    """The record of one row of `run`, whose lists each database keeps in its own way."""
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
        tags=tuple(tags),
        scheduled_for=row["scheduled_for"],
        exported=row["exported"],
        priority=row["priority"],
        rank=row["rank"],
        queue=row["queue"],
        requires=tuple(requires),
        lane=row["lane"],
        held=bool(row["held"]),
    )


def columns_of(run: NewRun, array: Callable[[Sequence[str]], object]) -> dict[str, object]:
    """The parameters of `insert_run.sql` by name, and in its order; `array` makes a list what the database takes."""
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


def node_of(row: Row, *, flows: Iterable[str], alive: bool, silent: float | None = None) -> NodeRecord:
    """The record of one row of `node`."""
    duty = json.loads(row["duty"])
    return NodeRecord(
        id=row["id"],
        pid=row["pid"],
        host=row["host"],
        started=row["started"],
        flows=tuple(flows),
        alive=alive,
        versions=tuple(duty.get("versions", ())),
        queues=None if duty.get("queues") is None else tuple(duty["queues"]),
        tags=tuple(duty.get("tags", ())),
        concurrency=duty.get("concurrency", 0),
        lease=duty.get("lease"),
        blobs=duty.get("blobs", ""),
        pools=tuple((flow, Pool(name, slots)) for flow, name, slots in duty.get("pools", ())),
        silent=silent,
    )


def duty_of(node: NodeRecord, **more: float) -> str:
    """What a node tells of itself besides its flows, as JSON."""
    told = {"versions": node.versions, "queues": node.queues, "tags": node.tags, "concurrency": node.concurrency}
    pools = [(flow, pool.name, pool.slots) for flow, pool in node.pools]
    return json.dumps({**told, "blobs": node.blobs, "pools": pools, **more})


def signed(span: int) -> int:
    """The integers of databases have a sign; span ids that come from elsewhere use all 64 bits."""
    return span - (1 << 64) if span >> 63 else span


def unsigned(span: int) -> int:
    """The span id that `signed` was given."""
    return span & 0xFFFF_FFFF_FFFF_FFFF
