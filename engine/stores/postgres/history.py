"""History on PostgreSQL: lists for people, and forgetting."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from engine.model.entry import Entry
from engine.model.run import LogLine, RunRecord, RunState
from engine.stores.postgres.connect import Connection, Row
from engine.stores.postgres.message import Statement, apart, rows_of, send
from engine.stores.postgres.part import Part
from engine.stores.postgres.rows import to_run
from engine.stores.postgres.statements import statement

LIST_UNFINISHED = statement("list_unfinished")
COUNT_RUNS = statement("count_runs")
LAST_LINES = statement("last_lines")
LIST_OPEN_CHILDREN = statement("list_open_children")
LIST_LOGS = statement("list_logs")
LOCK_RUNS = statement("lock_runs")
FIND_PRUNABLE = statement("find_prunable")
LIST_BLOBS = statement("list_blobs")
FIND_UNUSED_BLOBS = statement("find_unused_blobs")
PLANNED_ANEW: Final = "SET LOCAL plan_cache_mode = force_custom_plan"
"""Which index serves a list depends on how many runs are in the state, or of the flow, that it is of."""
DELETE_OF_RUNS = [
    statement(name)
    for name in ("delete_tags", "clear_journals", "delete_signals", "delete_logs", "delete_slots", "delete_runs")
]


class PostgresHistory(Part):
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
        async def work(connection: Connection, _: bool) -> list[RunRecord]:
            await connection.execute(PLANNED_ANEW)
            rows: list[Row] = []
            # A query per state: each is read off an index in order, and stops at its limit.
            for state in frozenset(states) or (None,):
                sql, values = list_runs(state=state, flow=flow, tag=tag, before=before, limit=limit)
                rows += await connection.fetch(self._db.sql(sql), *values)
            rows.sort(key=lambda row: -row["num"])
            return [to_run(row) for row in rows[:limit]]

        return await self._db.transact(work)

    async def unfinished(self, *, flow: str | None = None) -> Sequence[RunRecord]:
        async def work(connection: Connection) -> list[RunRecord]:
            return [to_run(row) for row in await connection.fetch(self._db.sql(LIST_UNFINISHED), flow)]

        return await self._db.query(work)

    async def count_runs(self) -> dict[RunState, int]:
        async def work(connection: Connection) -> dict[RunState, int]:
            return {RunState(row[0]): row[1] for row in await connection.fetch(self._db.sql(COUNT_RUNS))}

        return await self._db.query(work)

    async def last_lines(self, runs: Collection[int], *, each: int) -> Sequence[Entry]:
        async def work(connection: Connection) -> list[Entry]:
            return [Entry(*row.values()) for row in await connection.fetch(self._db.sql(LAST_LINES), [*runs], each)]

        return await self._db.query(work)

    async def open_children(self, runs: Collection[int], *, each: int) -> Sequence[RunRecord]:
        async def work(connection: Connection) -> list[RunRecord]:
            return [to_run(row) for row in await connection.fetch(self._db.sql(LIST_OPEN_CHILDREN), [*runs], each)]

        return await self._db.query(work)

    async def logs(self, run: int, *, after: int = 0, limit: int = 1000) -> Sequence[tuple[int, LogLine]]:
        async def work(connection: Connection) -> list[tuple[int, LogLine]]:
            rows = await connection.fetch(self._db.sql(LIST_LOGS), run, after, limit)
            return [(position, LogLine(*line)) for position, *line in (row.values() for row in rows)]

        return await self._db.query(work)

    async def prune(self, *, ended_before: int, limit: int) -> tuple[int, Sequence[str]]:
        door = self._db.door
        blobs: set[str] = set()  # also those of an attempt whose answer was lost

        async def work(connection: Connection, _: bool) -> tuple[int, Sequence[str]]:
            async with apart(connection, door):
                rows = await connection.fetch(self._db.sql(FIND_PRUNABLE), ended_before, limit)
                runs = [row["num"] for row in rows]
                blobs.update(row[0] for row in await connection.fetch(self._db.sql(LIST_BLOBS), runs))
            forgotten = rows_of(await send(connection, door, *_forgetting(runs))) if runs else 0
            if not blobs:
                return forgotten, []
            # A rerun names the blobs of the run it was made from: those stay as long as either is there.
            async with apart(connection, door):
                unused = await connection.fetch(self._db.sql(FIND_UNUSED_BLOBS), [*blobs])
            return forgotten, [row["blob"] for row in unused]

        return await self._db.converse(work)


def _forgetting(runs: Sequence[int]) -> Sequence[Statement]:
    """How runs that have ended are deleted, which nobody else deletes or changes meanwhile; the runs last."""
    nobody: list[int] = []
    return ((LOCK_RUNS, (runs, nobody)), *((sql, (runs,)) for sql in DELETE_OF_RUNS))


def list_runs(
    *, state: RunState | None, flow: str | None, tag: str | None, before: int | None, limit: int
) -> tuple[str, list[object]]:
    """The one statement that is put together: which filters there are decides which index gives the order.

    Only names of ours get into the text; what the caller asked for is bound.
    """
    source, num = "headrace.run", "run.num"
    if tag is not None:
        source, num = "headrace.run_tag JOIN headrace.run ON run.num = run_tag.run", "run_tag.run"
    wanted: dict[str, object] = {
        "run_tag.tag = ": tag,
        "run.state = ": state,
        "run.flow = ": flow,
        f"{num} < ": before,
    }
    filters = {sql: value for sql, value in wanted.items() if value is not None}
    where = " AND ".join(f"{sql}${n}" for n, sql in enumerate(filters, 1)) or "true"
    values: list[object] = [*filters.values(), limit]
    return f"SELECT run.* FROM {source} WHERE {where} ORDER BY {num} DESC LIMIT ${len(values)}", values  # noqa: S608
