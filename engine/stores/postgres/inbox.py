"""The inbox on PostgreSQL: signals and cancel requests, from anyone to the owner of a run."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from engine.model.errors import RunConflict
from engine.model.run import RunRecord, Signal
from engine.stores.postgres.connect import Connection
from engine.stores.postgres.message import apart, rows_of, send
from engine.stores.postgres.part import token
from engine.stores.postgres.runs import PostgresRuns, cancelling
from engine.stores.postgres.statements import statement

FIND_SIGNAL = statement("find_signal")
INSERT_SIGNAL = statement("insert_signal")
HOLD_RUN = statement("hold_run")
WAKE_RUN = statement("wake_run")
LIST_SIGNALS = statement("list_signals")
LIST_CANCEL_REQUESTS = statement("list_cancel_requests")


class PostgresInbox(PostgresRuns):
    """The rest of `ports.runs.Runs`."""

    async def signal(self, run_id: str, name: str, payload: bytes, *, now: int) -> RunRecord:
        mark = token()
        # The signal last, because every one waits for the one before it from there on.
        sending = (INSERT_SIGNAL, (run_id, name, payload, now, mark))
        statements = ((HOLD_RUN, (run_id,)), (WAKE_RUN, (run_id,)), sending)

        async def work(connection: Connection, _: bool) -> RunRecord:
            sent = rows_of(await send(connection, self._db.door, *statements))
            async with apart(connection, self._db.door):
                run = await self._known(connection, run_id)
                # What is there and was not sent now has come by an attempt whose answer was lost.
                if not sent and await connection.fetchval(self._db.sql(FIND_SIGNAL), run.num, mark) is None:
                    raise RunConflict(
                        f"run {run_id} of flow {run.flow} has {run.state}: it takes no signal {name!r} any more"
                    )
                return run

        run = await self._db.converse(work)
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
            async with apart(connection, self._db.door):
                run = await self._known(connection, run_id)
            await send(connection, self._db.door, *cancelling(run, reason, now))
            async with apart(connection, self._db.door):
                return await self._known(connection, run_id)

        run = await self._db.converse(work)
        self._bell.touched()
        return run

    async def cancelled(self, runs: Collection[int]) -> Sequence[tuple[int, str]]:
        sql = self._db.sql(LIST_CANCEL_REQUESTS)

        async def work(connection: Connection) -> list[tuple[int, str]]:
            return [(row["num"], row["cancel"]) for row in await connection.fetch(sql, [*runs])]

        return await self._db.query(work)
