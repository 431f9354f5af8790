"""The inbox on SQLite: signals and cancel requests, from anyone to the owner of a run."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence

from engine.model.errors import RunConflict
from engine.model.run import ENDED, RunRecord, Signal
from engine.stores.sqlite.rows import array
from engine.stores.sqlite.runs import SQLiteRuns, cancel_run, known_run
from engine.stores.sqlite.statements import statement

INSERT_SIGNAL = statement("insert_signal")
WAKE_RUN = statement("wake_run")
LIST_SIGNALS = statement("list_signals")
LAST_SIGNAL = statement("last_signal")
LIST_NEW_SIGNALS = statement("list_new_signals")
LIST_CANCEL_REQUESTS = statement("list_cancel_requests")


class SQLiteInbox(SQLiteRuns):
    """The rest of `ports.runs.Runs`."""

    async def signal(self, run_id: str, name: str, payload: bytes, *, now: int) -> RunRecord:
        def work(connection: sqlite3.Connection) -> RunRecord:
            run = known_run(connection, run_id)
            if run.state in ENDED:
                raise RunConflict(
                    f"run {run_id} of flow {run.flow} has {run.state}: it takes no signal {name!r} any more"
                )
            connection.execute(INSERT_SIGNAL, (run.num, name, payload, now))
            connection.execute(WAKE_RUN, (run.num,))
            return known_run(connection, run_id)

        self._touched = True
        return await self._db.transact(work)

    async def signals(self, run: int, *, after: int = 0) -> Sequence[Signal]:
        return await self._db.query(
            lambda connection: [Signal(*row) for row in connection.execute(LIST_SIGNALS, (run, after)).fetchall()]
        )

    async def signals_after(self, after: int, runs: Collection[int]) -> Sequence[Signal]:
        def work(connection: sqlite3.Connection) -> list[Signal]:
            (last,) = connection.execute(LAST_SIGNAL).fetchone()
            if last is None or last <= after:
                return []
            rows = connection.execute(LIST_NEW_SIGNALS, {"runs": array(runs), "after": after}).fetchall()
            return [Signal(*row) for row in rows]

        return await self._db.query(work)

    async def cancel(self, run_id: str, reason: str, *, now: int) -> RunRecord:
        def work(connection: sqlite3.Connection) -> RunRecord:
            cancel_run(connection, known_run(connection, run_id), reason, now)
            return known_run(connection, run_id)

        self._touched = True
        return await self._db.transact(work)

    async def cancelled(self, runs: Collection[int]) -> Sequence[tuple[int, str]]:
        wanted = frozenset(runs)

        def work(connection: sqlite3.Connection) -> list[tuple[int, str]]:
            rows = connection.execute(LIST_CANCEL_REQUESTS).fetchall()
            return [(num, reason) for num, reason in rows if num in wanted]

        return await self._db.query(work)
