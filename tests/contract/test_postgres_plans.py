"""A long history costs nothing: the statements of the engine's rounds read indexes only, whatever the values are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from engine.model.run import RunState
from engine.stores.postgres import PostgresStore
from engine.stores.postgres.address import Address
from engine.stores.postgres.connect import Connection, Door
from engine.stores.postgres.statements import statement
from tests.contract.conftest import opened
from tests.support.polling import until
from tests.support.postgres import schema_of_its_own

HISTORY = """\
INSERT INTO headrace.run (state, due, ended, id, flow, version, fingerprint, python, created, trace, span, sampled,
    parent, parent_span, origin, tags, params)
SELECT CASE WHEN n % 1000 = 0 THEN 'queued' ELSE 'succeeded' END, CASE WHEN n % 1000 = 0 THEN 0 END,
    CASE WHEN n % 1000 <> 0 THEN n END, 'run-' || n, 'f' || n % 3, '1', '', '', n, '', 1, true,
    CASE WHEN n % 5 = 0 THEN n / 5 END, 0, '', '{}', '{}'
FROM generate_series(1, 20000) AS n;
INSERT INTO headrace.run (state, due, owner, pool, id, flow, version, fingerprint, python, created, trace, span,
    sampled, parent_span, origin, tags, params)
SELECT 'running', NULL, 'node', CASE WHEN n % 100 = 0 THEN 'p' END, 'now-' || n, 'f3', '1', '', '', n, '', 1, true,
    0, '', '{}', '{}'
FROM generate_series(1, 1000) AS n;
INSERT INTO headrace.journal
SELECT n / 4 + 1, n % 4, 0, 'task', 'k', 'n', '', 1, 1, 1, 1, 0, 'ok', 'x', NULL, 1
FROM generate_series(0, 39999) AS n;
INSERT INTO headrace.signal SELECT n, n % 2000 + 1, 'go', '1', 1, n FROM generate_series(1, 10000) AS n;
INSERT INTO headrace.log (run, at, level, logger, message, task, attempt, span, batch, line)
SELECT n % 2000 + 1, 1, 'INFO', '', '', '', 1, 1, n, 1 FROM generate_series(1, 10000) AS n;
ANALYZE headrace.run; ANALYZE headrace.journal; ANALYZE headrace.signal; ANALYZE headrace.log"""


RARE = 20
"""Runs of the history that are queued, of 21,000."""


@pytest.fixture(scope="module", params=["full", "empty"])
def store(postgres_url: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """A store with a history, and one that has none: plans are kept, so those of the first day must do for all."""
    with schema_of_its_own(postgres_url) as url:
        asyncio.run(_filled(url, HISTORY if request.param == "full" else ""))
        yield url


@pytest.fixture(scope="module")
def full(postgres_url: str) -> Iterator[str]:
    """A store with a history."""
    with schema_of_its_own(postgres_url) as url:
        asyncio.run(_filled(url, HISTORY))
        yield url


async def _filled(url: str, history: str) -> None:
    async with opened(PostgresStore(url)):
        pass
    if history:
        address = Address.parse(url)
        connection = await Door(address, "a test").connect()
        await connection.execute(address.sql(history))
        await connection.close()


@pytest_asyncio.fixture
async def connection(store: str) -> AsyncIterator[Connection]:
    connection = await Door(Address.parse(store), "a test").connect()
    yield connection
    await connection.close()


async def plan(connection: Connection, url: str, name: str, values: str) -> str:
    sql = Address.parse(url).sql(statement(name))
    await connection.execute(f"PREPARE asked AS {sql}")
    return "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN EXECUTE asked({values})"))


KINDS = "'{f1,f2}', '{default}', '{}', '{f1}', '{2}', '{f1}', '{p}', '{3}'"
CLAIM = f"{KINDS}, 'node', 1, 10, 5, '{{1,2}}', '{{f1}}'"
ENTRY = "1, 1, 1, '', '', '', '', 1, 1, 1, 1, 1, '', '', NULL, 1"


@pytest.mark.parametrize(
    ("name", "values", "index"),
    [
        ("claim_runs", CLAIM, "run_ready"),
        ("claim_runs", CLAIM, "run_key"),
        ("claim_runs", CLAIM, "run_by_pool"),
        ("next_due", KINDS, "run_ready"),
        ("next_due", KINDS, "run_by_pool"),
        ("find_in_lane", "'x'", "run_in_lane"),
        ("find_in_lane", "'x'", "run_held"),
        ("lock_lane", "'x', 1", "run_in_lane"),
        ("lock_lane", "'x', 1", "run_held"),
        ("cancel_lane", "'x', 'y', 'z', 1, 1, 1", "run_in_lane"),
        ("cancel_lane", "'x', 'y', 'z', 1, 1, 1", "run_id_unique"),
        ("requeue_run", "'x', 'y'", "run_in_lane"),
        ("let_go", "'{x}'", "run_held"),
        ("let_go", "'{x}'", "run_in_lane"),
        ("look_for_slot", "'x', 1, 'k', 2", "run_by_pool"),
        ("take_slot", "'x', 1, 'k', 2, 'node'", "run_by_pool"),
        ("look_for_place", "'x', 1, 1", "rate_key"),
        ("insert_entry", ENTRY, "run_key"),
        ("insert_fenced_entries", f"{', '.join(['NULL'] * 16)}, '{{1}}', '{{1}}'", "run_key"),
        ("write_batch", f"{', '.join(['NULL'] * 38)}", "run_key"),
        ("lock_runs", "'{1}', '{1}'", "run_key"),
        ("check_fence", "'{1}', '{1}', '{true}'", "run_key"),
        ("let_go_after", "'{1}'", "run_key"),
        ("let_go_after", "'{1}'", "run_held"),
        ("let_go_after", "'{1}'", "run_in_lane"),
        ("park_run", "1, 1, 1, '{1}'", "run_key"),
        ("wake_parents", "'{1}'", "run_key"),
        ("rescue_runs", "'{1}', '{1}', '{1}', '{x}', 1", "run_key"),
        ("find_run", "'x'", "run_id_unique"),
        ("read_journal", "1, 1, 1", "journal_key"),
        ("find_entry", "1, 1, 1, 1, 'x', 1", "journal_key"),
        ("list_owned", "'x'", "journal_key"),
        ("list_owned", "'x'", "run_by_state"),
        ("check_owned", "'x', '{1}', '{1}'", "journal_key"),
        ("lock_owned", "'node'", "run_by_state"),
        ("list_cancel_requests", "'{1}'", "run_cancel_asked"),
        ("list_signals", "'{1}', 1", "signal_key"),
        ("list_children", "1", "run_children"),
        ("list_open_children", "'{1}', 1", "run_children"),
        ("last_lines", "'{1}', 1", "journal_key"),
        ("list_logs", "1, 1, 1", "log_key"),
        ("list_unfinished", "NULL", "run_by_state"),
        ("count_runs", "", "run_by_state"),
        ("find_prunable", "1, 1", "run_by_end"),
        ("find_unused_blobs", "'{x}'", "run_by_blob"),
        ("list_nodes", "", "node"),
        ("find_expired", "'{x}', '1 s'", "node"),
    ],
)
async def test_an_index_serves(connection: Connection, store: str, name: str, values: str, index: str) -> None:
    if values:
        found = await plan(connection, store, name, values)
    else:
        rows = await connection.fetch(f"EXPLAIN {Address.parse(store).sql(statement(name))}")
        found = "\n".join(row[0] for row in rows)
    assert index in found
    assert "JIT" not in found
    # A node's row, and tables of a handful of rows, may be read whole.
    assert [line for line in found.splitlines() if "Seq Scan" in line and " on node" not in line] == []


async def test_a_list_of_what_is_rare_reads_only_that(full: str) -> None:
    reader = await Door(Address.parse(full), "a test").connect()

    async def read() -> int:
        """Entries of indexes of runs that were read so far, by connections that have ended."""
        sql = "SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes WHERE relname = 'run' AND schemaname = $1"
        number: int = await reader.fetchval(sql, Address.parse(full).schema)
        return number

    async def told() -> bool:
        return await read() - before >= RARE

    try:
        before = await read()
        async with opened(PostgresStore(full)) as store:
            assert len(await store.list_runs(states=[RunState.QUEUED])) == RARE
        await until(told)
        assert await read() - before < 50 * RARE
    finally:
        await reader.close()
