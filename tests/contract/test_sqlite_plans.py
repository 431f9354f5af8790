"""A million finished runs cost nothing: the statements of the engine's rounds read the small indexes only."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from engine.stores.sqlite.connect import connect
from engine.stores.sqlite.migrate import migrate
from engine.stores.sqlite.statements import statement


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(connect(path, "process", patience=1)) as connection:
        migrate(connection, path)
        yield connection


def plan(connection: sqlite3.Connection, name: str, parameters: Any) -> str:
    rows = connection.execute(f"EXPLAIN QUERY PLAN {statement(name)}", parameters).fetchall()
    return "\n".join(row["detail"] for row in rows)


def scanned(found: str) -> list[str]:
    """The tables of which every row is read."""
    tables = ("run", "ready", "this", "child", "journal", "signal", "log")
    lines = [line for line in found.splitlines() if line.startswith("SCAN") and line.split()[1] in tables]
    return [line for line in lines if "run_cancel_asked" not in line]  # as good as empty: open requests only


TAKES = {"flows": "[]", "queues": None, "tags": "[]", "elsewhere": "[]"}
CLAIM = {**TAKES, "now": 1, "limit": 1}
KIND = "flow=? AND queue=? AND requires=? AND version=?"


@pytest.mark.parametrize(
    ("name", "parameters", "index"),
    [
        ("find_due_runs", CLAIM, f"run_ready ({KIND} AND due=?)"),
        ("find_due_runs", CLAIM, f"run_ready ({KIND} AND due>? AND due<?)"),
        ("find_due_runs", CLAIM, f"run_ready ({KIND.replace('version=?', 'version>?')})"),
        ("find_due_runs", CLAIM, "run_ready (flow=? AND queue=? AND requires>?)"),
        ("find_due_runs", CLAIM, "run_ready (flow=? AND queue>?)"),
        ("next_due", TAKES, f"run_ready ({KIND} AND due>?)"),
        ("find_in_lane", ("x",), "run_in_lane (lane=?)"),
        ("find_in_lane", ("x",), "run_held (lane=?)"),
        ("let_go", ("x",), "run_held (lane=?)"),
        ("count_slots", {"pool": "p", "run": 1, "key": ""}, "run_by_pool (pool=?)"),
        ("list_cancel_requests", {}, "run_cancel_asked"),
        ("list_owned", ("node",), "run_by_state (state=?)"),
        ("release_owned", ("node",), "run_by_state (state=?)"),
        ("list_children", (1,), "run_children (parent=?)"),
        ("list_open_children", {"runs": "[1]", "each": 1}, "run_children (parent=?)"),
        ("last_lines", {"runs": "[1]", "each": 1}, "line USING PRIMARY KEY (run=? AND seq>?)"),
        ("count_runs", {}, "run_by_state (state=?)"),
        ("list_unfinished", {"flow": None}, "run_by_state (state=?)"),
        ("find_prunable", (1, 1), "run_by_end (ended<?)"),
        ("find_blob_use", {"blob": "x"}, "journal_by_blob (blob=?)"),
        ("find_blob_use", {"blob": "x"}, "run_by_blob (result_blob=?)"),
        ("list_new_signals", {"runs": "[]", "after": 1}, "signal_by_run (run=? AND rowid>?)"),
        ("list_logs", (1, 1, 1), "log_by_run (run=? AND rowid>?)"),
    ],
)
def test_an_index_serves(connection: sqlite3.Connection, name: str, parameters: Any, index: str) -> None:
    found = plan(connection, name, parameters)
    assert index in found
    assert scanned(found) == []


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("insert_entry", [1] * 16),
        ("check_epoch", [1, 1]),
        ("claim_run", {"num": 1, "node": "node", "now": 1, "pool": None}),
        ("end_run", dict.fromkeys(("num", "state", "result", "result_blob", "error", "at"))),
        ("park_run", {"num": 1, "wake_at": 1, "seen_signal": 1, "children": "[]"}),
        ("wake_run", [1]),
        ("mark_exported", {"num": 1, "seq": 1}),
    ],
)
def test_the_hot_path_finds_its_run_by_number(connection: sqlite3.Connection, name: str, parameters: Any) -> None:
    found = plan(connection, name, parameters)
    assert "run USING INTEGER PRIMARY KEY (rowid=?)" in found
    assert scanned(found) == []
