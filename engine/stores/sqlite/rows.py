"""Rows: from the table's columns to the model's values, and back."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection

from engine.model.limits import Takes
from engine.model.run import NewRun, NodeRecord, RunRecord
from engine.stores.rows import columns_of, node_of, run_of


def to_run(row: sqlite3.Row) -> RunRecord:
    """The record of one row of `run`."""
    return run_of(row, tags=json.loads(row["tags"]), requires=json.loads(row["requires"]))


def from_new_run(run: NewRun) -> dict[str, object]:
    """The parameters of `insert_run.sql`."""
    return columns_of(run, array)


def from_takes(takes: Takes) -> dict[str, object]:
    """The parameters by which `find_due_runs.sql` and `next_due.sql` choose."""
    return {
        "queues": None if takes.queues is None else array(takes.queues),
        "tags": None if takes.tags is None else array(takes.tags),
        "elsewhere": json.dumps([*takes.elsewhere]),
    }


def to_node(row: sqlite3.Row, *, alive: bool) -> NodeRecord:
    """The record of one row of `node`."""
    return node_of(row, flows=json.loads(row["flows"]), alive=alive)


def array(values: Collection[str] | Collection[int]) -> str:
    """A list as one parameter, to be taken apart by `json_each`."""
    return json.dumps([*values])
