"""The inbox on PostgreSQL: signals and cancel requests, from anyone to the owner of a run."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from engine.model.errors import RunConflict
from engine.model.run import ENDED, RunRecord, Signal
from engine.stores.postgres.connect import Connection
from engine.stores.postgres.part import token
from engine.stores.postgres.runs import PostgresRuns
from engine.stores.postgres.statements import statement

FIND_SIGNAL = statement("find_signal")
INSERT_SIGNAL = statement("insert_signal")
WAKE_RUNS = statement("wake_runs")
LIST_SIGNALS = statement("list_signals")
LIST_CANCEL_REQUESTS = statement("list_cancel_requests")


class PostgresInbox(PostgresRuns):
    """The rest of `ports.runs.Runs`."""

    async def signal(self, run_id: str, name: str, payload: bytes, *, now: int) -> RunRecord:
        mark = token()

        async def work(connection: Connection, again: bool) -> RunRecord:
            run = await self._locked(connection, run_id)
            if again and await connection.fetchval(self._db.sql(FIND_SIGNAL), run.num, mark):
                return run  # the attempt whose answer was lost has done it
            if run.state in ENDED:
                raise RunConflict(
                    f"run {run_id} of flow {run.flow} has {run.state}: it takes no signal {name!r} any more"
                )
            await connection.execute(self._db.sql(WAKE_RUNS), [run.num])
            # Last, because every signal waits for the one before it from here on.
            await connection.execute(self._db.sql(INSERT_SIGNAL), run.num, name, payload, now, mark)
            return await self._known(connection, run_id)

        run = await self._db.transact(work)
        self._bell.touched()
        return run

    async def signals(self, run: int, *, after: int = 0) -> Sequence[Signal]:
        return await self.signals_after(after, (run,))

    async def signals_after(self, after: int, runs: Collection[int]) -> Sequence[Signal]:
        sql = self._db.sql(LIST_SIGNALS)

        async def work(connection: Connection) -> list[Signal]:
            return [Signal(*row.values()) for row in await connection.fetch(sql, [*runs], after)]

        return await self._db.query(work)

    async def cancel(self, run_id: str, reason: str, *, now: int) -> RunRecord:
        async def work(connection: Connection, _: bool) -> RunRecord:
            await self._cancel(connection, run_id, reason, now)
            return await self._known(connection, run_id)

        run = await self._db.transact(work)
        self._bell.touched()
        return run

    async def cancelled(self, runs: Collection[int]) -> Sequence[tuple[int, str]]:
        sql = self._db.sql(LIST_CANCEL_REQUESTS)

        async def work(connection: Connection) -> list[tuple[int, str]]:
            return [(row["num"], row["cancel"]) for row in await connection.fetch(sql, [*runs])]

        return await self._db.query(work)
