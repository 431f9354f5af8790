"""History on SQLite: lists for people, and forgetting."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence

from engine.model.entry import Entry
from engine.model.run import LogLine, RunRecord, RunState
from engine.stores.sqlite.part import Part
from engine.stores.sqlite.rows import array, to_run
from engine.stores.sqlite.statements import statement

LIST_UNFINISHED = statement("list_unfinished")
COUNT_RUNS = statement("count_runs")
LAST_LINES = statement("last_lines")
LIST_OPEN_CHILDREN = statement("list_open_children")
LIST_LOGS = statement("list_logs")
FIND_PRUNABLE = statement("find_prunable")
LIST_BLOBS = statement("list_blobs")
FIND_BLOB_USE = statement("find_blob_use")
FIND_RUN_BY_NUM = statement("find_run_by_num")
DELETE_TAGS = statement("delete_tags")
DELETE_OF_RUN = [
    statement(name) for name in ("clear_journal", "delete_signals", "delete_logs", "delete_slots", "delete_run")
]


class SQLiteHistory(Part):
    """Satisfies `ports.history.History`."""

    async def list_runs(
        self,
        *,
        states: Collection[RunState] = (),
        flow: str | None = None,
        tag: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> Sequence[RunRecord]:
        wanted = {"flow": flow, "tag": tag, "before": before, "limit": limit}

        def work(connection: sqlite3.Connection) -> list[RunRecord]:
            rows: list[sqlite3.Row] = []
            # A query per state: each is read off an index in order, and stops at its limit.
            for state in frozenset(states) or (None,):
                sql = _list_runs(
                    state=state is not None, flow=flow is not None, tag=tag is not None, page=before is not None
                )
                rows += connection.execute(sql, {**wanted, "state": state}).fetchall()
            rows.sort(key=lambda row: -row["num"])
            return [to_run(row) for row in rows[:limit]]

        return await self._db.query(work)

    async def unfinished(self, *, flow: str | None = None) -> Sequence[RunRecord]:
        return await self._db.query(
            lambda connection: [to_run(row) for row in connection.execute(LIST_UNFINISHED, {"flow": flow}).fetchall()]
        )

    async def count_runs(self) -> dict[RunState, int]:
        rows = await self._db.query(lambda connection: connection.execute(COUNT_RUNS).fetchall())
        return {RunState(state): count for state, count in rows}

    async def last_lines(self, runs: Collection[int], *, each: int) -> Sequence[Entry]:
        wanted = {"runs": array(runs), "each": each}
        rows = await self._db.query(lambda connection: connection.execute(LAST_LINES, wanted).fetchall())
        return [Entry(*row) for row in rows]

    async def open_children(self, runs: Collection[int], *, each: int) -> Sequence[RunRecord]:
        wanted = {"runs": array(runs), "each": each}
        rows = await self._db.query(lambda connection: connection.execute(LIST_OPEN_CHILDREN, wanted).fetchall())
        return [to_run(row) for row in rows]

    async def logs(self, run: int, *, after: int = 0, limit: int = 1000) -> Sequence[tuple[int, LogLine]]:
        rows = await self._db.query(lambda connection: connection.execute(LIST_LOGS, (run, after, limit)).fetchall())
        return [(position, LogLine(*line)) for position, *line in rows]

    async def prune(self, *, ended_before: int, limit: int) -> tuple[int, Sequence[str]]:
        def work(connection: sqlite3.Connection) -> tuple[int, Sequence[str]]:
            runs = [num for (num,) in connection.execute(FIND_PRUNABLE, (ended_before, limit)).fetchall()]
            blobs: set[str] = set()
            for num in runs:
                blobs |= {blob for (blob,) in connection.execute(LIST_BLOBS, {"run": num}).fetchall()}
                _forget(connection, num)
            # A rerun names the blobs of the run it was made from: those stay as long as either is there.
            return len(runs), sorted(blob for blob in blobs if not _is_used(connection, blob))

        return await self._db.transact(work)


def _list_runs(*, state: bool, flow: bool, tag: bool, page: bool) -> str:
    """The one statement that is put together: which filters there are decides which index gives the order.

    Only names of ours get into the text; what the caller asked for is bound.
    """
    source, num = ("run_tag CROSS JOIN run ON run.num = run_tag.run", "run_tag.run") if tag else ("run", "run.num")
    filters = {
        "run_tag.tag = :tag": tag,
        "run.state = :state": state,
        "run.flow = :flow": flow,
        f"{num} < :before": page,
    }
    where = " AND ".join(sql for sql, wanted in filters.items() if wanted) or "true"
    return f"SELECT run.* FROM {source} WHERE {where} ORDER BY {num} DESC LIMIT :limit"  # noqa: S608


def _forget(connection: sqlite3.Connection, num: int) -> None:
    tags = connection.execute(FIND_RUN_BY_NUM, (num,)).fetchone()["tags"]
    connection.execute(DELETE_TAGS, (num, tags))
    for sql in DELETE_OF_RUN:
        connection.execute(sql, (num,))


def _is_used(connection: sqlite3.Connection, blob: str) -> bool:
    return bool(connection.execute(FIND_BLOB_USE, {"blob": blob}).fetchone()[0])
